// What the world around xlbctl can do to it.
#include <sys/stat.h>
#include <unistd.h>

#include "unit/xlbctl/command_fixture.h"

namespace xlb {
namespace {

using ClientTest = CommandTest;

TEST_F(ClientTest, NoDaemonIsOneLine) {
  ExpectFailure("status", 1, "no xlbd answers on " + socket_path() + " (No such file or directory); is it running?\n");
  StartDaemon();
  const int stale = socket(AF_UNIX, SOCK_STREAM, 0);
  server_.reset();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_path().copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(stale, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  close(stale);
  ExpectFailure("service ls", 1, "no xlbd answers on " + socket_path() + " (Connection refused); is it running?\n");
}

TEST_F(ClientTest, NoPermissionSaysWhoMay) {
  StartDaemon();
  chmod(socket_path().c_str(), 0);
  const uid_t self = geteuid();
  if (self == 0) {
    ASSERT_EQ(seteuid(65534), 0);  // root may everything
  }
  ExpectFailure("status", 1, "(Permission denied); be root, or a member of the socket's group");
  ASSERT_EQ(seteuid(self), 0);
}

TEST_F(ClientTest, StrangeSocketsAreSurvived) {
  server_.emplace(socket_path(), [](const HttpRequest&) {
    HttpResponse response;
    response.body = "surprise";
    return response;
  });
  ExpectFailure("status", 1, "not JSON");
  server_.reset();
  server_.emplace(socket_path(), [](const HttpRequest&) {
    HttpResponse response;
    response.status = 500;
    response.body = "surprise";
    return response;
  });
  ExpectFailure("status", 1, "xlbd answered with HTTP status 500");
}

TEST_F(ClientTest, DetachWithoutADaemonDoesItItself) {
  EXPECT_EQ(Output("detach --bpffs /tmp/bpf"), "removed the pins in /tmp/bpf\n");
  EXPECT_EQ(Output("-o json detach"), "{\n  \"removed\": [\n    \"removed the pins in /sys/fs/bpf/xlb\"\n  ]\n}\n");
  detach_data_path_ = [](const std::string&) -> absl::StatusOr<std::vector<std::string>> {
    return std::vector<std::string>{};
  };
  EXPECT_EQ(Output("detach"), "there was nothing to detach\n");
  detach_data_path_ = [](const std::string&) -> absl::StatusOr<std::vector<std::string>> {
    return absl::PermissionDeniedError("cannot open the pins: Operation not permitted");
  };
  ExpectFailure("detach", 1, "cannot open the pins");
}

// A daemon that is there and refuses must not be worked around behind its back.
TEST_F(ClientTest, DetachThatTheDaemonRefusesIsNotForced) {
  server_.emplace(socket_path(), [](const HttpRequest&) {
    HttpResponse response;
    response.status = 503;
    response.body = R"({"error":"busy"})";
    return response;
  });
  ExpectFailure("detach", 1, "busy");
}

TEST_F(ClientTest, OutputThatCannotBeWrittenIsAnError) {
  StartDaemon();
  std::istringstream in;
  std::ostringstream out, err;
  out.setstate(std::ios::badbit);
  Environment environment{.in = in, .out = out, .err = err, .terminal = false, .detach_data_path = detach_data_path_};
  EXPECT_EQ(RunXlbctl({"--socket", socket_path(), "status"}, environment), 1);
  EXPECT_EQ(err.str(), "xlbctl: cannot write the output\n");
}

}  // namespace
}  // namespace xlb
