// Docker's API over its unix socket.
#ifndef XLB_DOCKER_CLIENT_H_
#define XLB_DOCKER_CLIENT_H_

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "docker/http_client.h"
#include "docker/types.h"

namespace xlb {

// Runs on one executor. Error codes are HttpClient's, and for answers other than 200, with Docker's own message:
// NotFound (404), Aborted (503: not a manager), Internal (others, "no leader" among them).
class DockerClient {
 public:
  DockerClient(boost::asio::any_io_executor executor, std::string socket_path, DockerHttpLimits limits = {});

  // Asks for the server's version and settles on the API version that the other calls use.
  boost::asio::awaitable<absl::StatusOr<DockerVersion>> Negotiate();

  // `path` without the version: "/tasks".
  boost::asio::awaitable<absl::StatusOr<std::string>> GetText(std::string path);
  boost::asio::awaitable<absl::StatusOr<boost::json::value>> Get(std::string path);

  // Calls back for each event of the given types until the stream ends, which is always an error.
  boost::asio::awaitable<absl::Status> Events(std::vector<std::string> types, std::function<void()> on_open,
                                              std::function<void(const DockerEvent&)> on_event);
  void Abort() { http_.Abort(); }

  const std::string& api_version() const { return api_version_; }  // "1.41"; empty before Negotiate

 private:
  std::string Target(std::string_view path) const;

  HttpClient http_;
  std::string socket_path_;
  std::string api_version_;
};

// Docker answered and refused: the connection is as good as before.
bool IsRefusal(const absl::Status& status);

// The version to speak with a server that offers `min_api` to `api`: the lower of its newest and ours.
absl::StatusOr<std::string> ChooseApiVersion(std::string_view api, std::string_view min_api);

}  // namespace xlb

#endif  // XLB_DOCKER_CLIENT_H_
