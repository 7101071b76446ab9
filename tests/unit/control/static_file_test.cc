#include "control/static_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/file.h"

namespace xlb {
namespace {

class StaticFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "xlb-static-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    state_dir_ = root_ + "/lib/xlb";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string root_;
  std::string state_dir_;
};

StaticConfig OneService() {
  StaticConfig config;
  StaticService service{.name = "web", .frontend = *Frontend::Parse("tcp/192.0.2.10:80"), .backends = {}};
  EXPECT_TRUE(config.AddService(service).ok());
  return config;
}

TEST_F(StaticFileTest, NoFileIsNoService) {
  const auto config = LoadStaticFile(state_dir_);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->services().empty());
}

TEST_F(StaticFileTest, WhatIsSavedIsLoaded) {
  ASSERT_TRUE(SaveStaticFile(state_dir_, OneService()).ok());  // makes the directory
  const auto config = LoadStaticFile(state_dir_);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(*config, OneService());
}

TEST_F(StaticFileTest, ACorruptFileIsAnErrorWithTheRepairInIt) {
  std::filesystem::create_directories(state_dir_);
  const std::string path = StaticFilePath(state_dir_);
  for (const char* content : {"", "{", "{\"version\":1,\"services\":[{\"name\":\"web\"}]}", "\xff\xff"}) {
    ASSERT_TRUE(WriteFileAtomically(path, content).ok());
    const auto config = LoadStaticFile(state_dir_);
    ASSERT_TRUE(absl::IsDataLoss(config.status())) << config.status();
    const std::string message(config.status().message());
    EXPECT_EQ(message.rfind(path + " cannot be used: ", 0), 0u) << message;
    EXPECT_NE(message.find("correct the file, or move it away"), std::string::npos) << message;
    EXPECT_EQ(*ReadFile(path), content);  // still there to be repaired
  }
}

TEST_F(StaticFileTest, WhatCannotBeWrittenIsAnError) {
  ASSERT_TRUE(WriteFileAtomically(root_ + "/lib", "a file where a directory should be").ok());
  EXPECT_FALSE(SaveStaticFile(state_dir_, OneService()).ok());
}

}  // namespace
}  // namespace xlb
