#include "control/listen.h"

#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "unit/control/server_fixture.h"

namespace xlb {
namespace {

class ListenTest : public testing::Test {
 protected:
  absl::StatusOr<UnixListener> Open() { return UnixListener::Open(path_, ""); }

  // A daemon that dies without a chance to tidy up.
  void LeaveStaleSocket() {
    const pid_t child = fork();
    if (child == 0) {
      const auto listener = Open();
      _exit(listener.ok() ? 0 : 1);
    }
    int result = 0;
    ASSERT_EQ(waitpid(child, &result, 0), child);
    ASSERT_EQ(result, 0);
    ASSERT_TRUE(std::filesystem::exists(path_));
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.path() + "/run/xlbd.sock";
};

TEST_F(ListenTest, MakesDirectoryAndSocketWithItsMode) {
  const mode_t mask = umask(0077);
  const auto listener = Open();
  umask(mask);
  ASSERT_TRUE(listener.ok()) << listener.status();
  struct stat found;
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_TRUE(S_ISSOCK(found.st_mode));
  EXPECT_EQ(found.st_mode & 07777, 0660u);
}

TEST_F(ListenTest, ClosingRemovesTheSocket) {
  { ASSERT_TRUE(Open().ok()); }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ListenTest, AStaleSocketIsReplaced) {
  LeaveStaleSocket();
  EXPECT_FALSE(RawClient(path_).connected());
  const auto listener = Open();
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(RawClient(path_).connected());
}

TEST_F(ListenTest, ALiveSocketIsRefused) {
  const auto first = Open();
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Open();
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_EQ(second.status().message(), "another xlbd answers on " + path_ + "; stop it first");
  EXPECT_TRUE(RawClient(path_).connected());  // the refused one took nothing away
}

TEST_F(ListenTest, ALiveSocketIsRefusedWithoutItsLockToo) {
  const auto first = Open();
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(std::filesystem::remove(path_ + ".lock"));
  EXPECT_TRUE(absl::IsAlreadyExists(Open().status()));
  EXPECT_TRUE(RawClient(path_).connected());
}

TEST_F(ListenTest, WhatIsNoSocketIsLeftAlone) {
  std::filesystem::create_directories(directory_.path() + "/run");
  ASSERT_TRUE(WriteFileAtomically(path_, "precious").ok());
  const auto listener = Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(listener.status())) << listener.status();
  EXPECT_EQ(*ReadFile(path_), "precious");
}

TEST_F(ListenTest, AnotherOnesSocketIsNotRemoved) {
  auto first = Open();
  ASSERT_TRUE(first.ok());
  std::filesystem::remove(path_);
  std::filesystem::remove(path_ + ".lock");
  const auto second = Open();
  ASSERT_TRUE(second.ok()) << second.status();
  { const UnixListener gone = *std::move(first); }
  EXPECT_TRUE(RawClient(path_).connected());
}

TEST_F(ListenTest, PathsThatCannotBeAreRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(UnixListener::Open("", "").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(UnixListener::Open(std::string(200, 'x'), "").status()));
  EXPECT_FALSE(UnixListener::Open("/proc/nowhere/xlbd.sock", "").ok());
}

TEST_F(ListenTest, AnUnknownGroupIsNoError) {
  const auto listener = UnixListener::Open(path_, "no-such-group-of-xlb");
  EXPECT_TRUE(listener.ok()) << listener.status();
}

}  // namespace
}  // namespace xlb
