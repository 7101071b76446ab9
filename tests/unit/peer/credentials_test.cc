#include "peer/credentials.h"

#include <gtest/gtest.h>

#include <boost/asio/ssl/context.hpp>
#include <filesystem>
#include <fstream>

#include "unit/docker/fake_docker.h"
#include "unit/peer/authority.h"

namespace xlb {
namespace {

class CredentialsTest : public ::testing::Test {
 protected:
  const std::string& directory() const { return directory_.path(); }
  std::string ErrorOf(const NodeFiles& files) {
    files.WriteTo(directory());
    const auto read = Credentials::Read(directory());
    return read.ok() ? "" : std::string(read.status().message());
  }

  TemporaryDirectory directory_;
  Authority ca_;
  const NodeFiles files_ = ca_.Issue({.node_id = "n1", .role = kManagerRole});
};

TEST_F(CredentialsTest, ReadsWhatDockerWrites) {
  files_.WriteTo(directory());
  const auto read = Credentials::Read(directory());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)->own(), (PeerIdentity{kSwarm, kManagerRole, "n1"}));
}

TEST_F(CredentialsTest, NamesTheFileThatIsWrong) {
  NodeFiles files = files_;
  files.certificate = "x";
  EXPECT_TRUE(ErrorOf(files).starts_with(directory() + "/swarm-node.crt: not a certificate")) << ErrorOf(files);
  files = files_;
  files.ca = files_.ca + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_TRUE(ErrorOf(files).starts_with(directory() + "/swarm-root-ca.crt: not a certificate")) << ErrorOf(files);
  files = files_;
  files.key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
  EXPECT_TRUE(ErrorOf(files).starts_with(directory() + "/swarm-node.key: not a private key")) << ErrorOf(files);
  files = files_;
  files.key = ca_.Issue({.node_id = "n1"}).key;
  EXPECT_TRUE(ErrorOf(files).starts_with(directory() + "/swarm-node.crt: it does not belong to the key"))
      << ErrorOf(files);
  std::filesystem::remove(directory() + "/swarm-root-ca.crt");
  const auto read = Credentials::Read(directory());
  EXPECT_TRUE(absl::IsNotFound(read.status()));
  EXPECT_NE(read.status().message().find("--swarm-certs"), std::string_view::npos);
}

TEST_F(CredentialsTest, SaysThatTheManagersAreAutolocked) {
  NodeFiles files = files_;
  files.key = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nkek-version: 9\n\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
  files.WriteTo(directory());
  const auto read = Credentials::Read(directory());
  EXPECT_TRUE(absl::IsFailedPrecondition(read.status()));
  EXPECT_NE(read.status().message().find("autolocked"), std::string_view::npos);
}

TEST_F(CredentialsTest, FollowsTheFiles) {
  CredentialFiles followed(directory());
  EXPECT_TRUE(absl::IsNotFound(followed.Get().status()));
  files_.WriteTo(directory());
  const auto first = followed.Get();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*followed.Get(), *first);  // not read again

  ca_.Issue({.node_id = "n1", .role = kWorkerRole}).WriteTo(directory());
  const auto second = followed.Get();
  ASSERT_TRUE(second.ok());
  EXPECT_EQ((*second)->own().role, kWorkerRole);
}

TEST_F(CredentialsTest, HalfOfARotationIsNone) {
  files_.WriteTo(directory());
  CredentialFiles followed(directory());
  const auto first = followed.Get();
  const NodeFiles next = Authority().Issue({.node_id = "n1", .role = kManagerRole});
  NodeFiles half = files_;
  half.certificate = next.certificate;
  half.WriteTo(directory());
  EXPECT_EQ(*followed.Get(), *first);
  std::ofstream(directory() + "/swarm-node.key") << "";
  EXPECT_EQ(*followed.Get(), *first);
  next.WriteTo(directory());
  EXPECT_NE(*followed.Get(), *first);
}

TEST_F(CredentialsTest, AKeyThatBecomesEncryptedIsNoKeyAnyMore) {
  files_.WriteTo(directory());
  CredentialFiles followed(directory());
  ASSERT_TRUE(followed.Get().ok());
  NodeFiles locked = files_;
  locked.key = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nkek-version: 9\n\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
  locked.WriteTo(directory());
  EXPECT_TRUE(absl::IsFailedPrecondition(followed.Get().status()));
  files_.WriteTo(directory());
  EXPECT_TRUE(followed.Get().ok());
}

TEST(PeerIdentityTest, NodesOfTheSameSwarmAreLetIn) {
  const PeerIdentity own{"swarm", kManagerRole, "n1"};
  EXPECT_TRUE(CheckClient(own, {"swarm", kManagerRole, "n2"}).ok());
  EXPECT_TRUE(CheckClient(own, {"swarm", kWorkerRole, "n3"}).ok());
  EXPECT_FALSE(CheckClient(own, {"other", kWorkerRole, "n3"}).ok());
  EXPECT_FALSE(CheckClient(own, {"swarm", "swarm-ca", "n3"}).ok());
  EXPECT_FALSE(CheckClient(own, {"swarm", "", "n3"}).ok());
}

TEST(PeerIdentityTest, ManagersThatDockerNamesAreBelieved) {
  const PeerIdentity own{"swarm", kWorkerRole, "n3"};
  const std::vector<RemoteManager> managers = {{"n1", "192.0.2.10"}, {"n2", "192.0.2.11"}};
  EXPECT_TRUE(CheckManager(own, {"swarm", kManagerRole, "n2"}, managers).ok());
  EXPECT_FALSE(CheckManager(own, {"swarm", kManagerRole, "n4"}, managers).ok());
  EXPECT_FALSE(CheckManager(own, {"swarm", kWorkerRole, "n2"}, managers).ok());
  EXPECT_FALSE(CheckManager(own, {"other", kManagerRole, "n2"}, managers).ok());
  EXPECT_FALSE(CheckManager(own, {"swarm", kManagerRole, "n2"}, {}).ok());
}

}  // namespace
}  // namespace xlb
