// A server on a unix socket that behaves as badly as a test wants.
#ifndef XLB_TESTS_UNIT_DOCKER_FAKE_DOCKER_H_
#define XLB_TESTS_UNIT_DOCKER_FAKE_DOCKER_H_

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace xlb {

// A directory of its own, removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct FakeReply {
  std::string bytes;       // sent as they are
  bool keep_open = false;  // and then silence instead of an end
  bool repeat = false;     // and again and again, without end
};

FakeReply Ok(std::string_view body);                 // 200 with a length
FakeReply Refuse(int status, std::string_view why);  // as Docker does: {"message": why}
FakeReply Stream(std::string_view first);            // 200, chunked, open for Push

// Serves on the loop of the code under test. `answer` gets the request's target.
class FakeDocker {
 public:
  using Answer = std::function<FakeReply(const std::string& target)>;

  FakeDocker(boost::asio::io_context& loop, std::string path, Answer answer);
  ~FakeDocker();

  // Sends a line as a chunk to every connection that a reply kept open.
  void Push(std::string_view line);
  void CloseStreams();
  void Stop();                                      // and removes the socket
  const std::vector<std::string>& targets() const;  // of all requests so far

 private:
  struct Shared;
  struct Session;
  std::shared_ptr<Shared> shared_;
};

// Runs the loop until `done` says so; false after five seconds.
bool RunUntil(boost::asio::io_context& loop, const std::function<bool()>& done);

}  // namespace xlb

#endif  // XLB_TESTS_UNIT_DOCKER_FAKE_DOCKER_H_
