#include "docker/client.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "docker/readers.h"

namespace xlb {
namespace {

namespace asio = boost::asio;

struct ApiVersion {
  unsigned major = 0;
  unsigned minor = 0;
  auto operator<=>(const ApiVersion&) const = default;
};

// The newest version whose answers are known, and the oldest version that current servers (Docker 29) still speak.
constexpr ApiVersion kNewest{1, 44};
// Docker 19.03; the ingress network's containers and every member read are there since.
constexpr ApiVersion kOldest{1, 40};

std::optional<ApiVersion> ParseApiVersion(std::string_view text) {
  ApiVersion version;
  const char* end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, version.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return std::nullopt;
  const auto minor = std::from_chars(major.ptr + 1, end, version.minor);
  if (minor.ec != std::errc() || minor.ptr != end) return std::nullopt;
  return version;
}

std::string ToText(ApiVersion version) { return fmt::format("{}.{}", version.major, version.minor); }

std::string PercentEncode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

// An answer that is no success, in Docker's own words.
absl::Status HttpError(std::string_view path, const DockerHttpResponse& response) {
  std::string message = ReadErrorMessage(response.body);
  if (message.empty()) message = fmt::format("HTTP status {}", response.status);
  const std::string text = fmt::format("Docker refuses GET {}: {}", path, message);
  if (response.status == 404) return absl::NotFoundError(text);
  if (response.status == 503) return absl::AbortedError(text);
  return absl::InternalError(text);
}

}  // namespace

bool IsRefusal(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsAborted(status) || absl::IsInternal(status);
}

absl::StatusOr<std::string> ChooseApiVersion(std::string_view api, std::string_view min_api) {
  const auto newest = ParseApiVersion(api);
  if (!newest) return absl::DataLossError(fmt::format("it names no API version (\"{}\"): is it Docker's socket?", api));
  // Servers before 1.24 name no oldest version.
  const auto oldest = ParseApiVersion(min_api);
  if (oldest && *oldest > kNewest) {
    return absl::UnimplementedError(
        fmt::format("it speaks API versions from {} and xlb up to {}: upgrade xlb", ToText(*oldest), ToText(kNewest)));
  }
  if (*newest < kOldest) {
    return absl::UnimplementedError(fmt::format("it speaks API versions up to {} and xlb from {}: upgrade Docker",
                                                ToText(*newest), ToText(kOldest)));
  }
  return ToText(std::min(*newest, kNewest));
}

DockerClient::DockerClient(asio::any_io_executor executor, std::string socket_path, DockerHttpLimits limits)
    : http_(std::move(executor), socket_path, limits), socket_path_(std::move(socket_path)) {}

std::string DockerClient::Target(std::string_view path) const {
  return api_version_.empty() ? std::string(path) : fmt::format("/v{}{}", api_version_, path);
}

asio::awaitable<absl::StatusOr<DockerVersion>> DockerClient::Negotiate() {
  api_version_.clear();
  XLB_CO_ASSIGN_OR_RETURN(const boost::json::value json, co_await Get("/version"));
  DockerVersion version = ReadVersion(json);
  auto chosen = ChooseApiVersion(version.api, version.min_api);
  if (!chosen.ok()) {
    const std::string reason(chosen.status().message());
    co_return absl::Status(chosen.status().code(), fmt::format("cannot talk to {}: {}", socket_path_, reason));
  }
  api_version_ = *std::move(chosen);
  co_return version;
}

asio::awaitable<absl::StatusOr<std::string>> DockerClient::GetText(std::string path) {
  std::string target = Target(path);
  XLB_CO_ASSIGN_OR_RETURN(DockerHttpResponse response, co_await http_.Get(std::move(target)));
  if (response.status != 200) co_return HttpError(path, response);
  co_return std::move(response.body);
}

asio::awaitable<absl::StatusOr<boost::json::value>> DockerClient::Get(std::string path) {
  XLB_CO_ASSIGN_OR_RETURN(const std::string text, co_await GetText(path));
  auto json = ParseJson(text);
  if (!json.ok()) {
    co_return absl::DataLossError(
        fmt::format("{} answers GET {} with something that is not JSON: is it Docker's socket?", socket_path_, path));
  }
  co_return json;
}

asio::awaitable<absl::Status> DockerClient::Events(std::vector<std::string> types, std::function<void()> on_open,
                                                   std::function<void(const DockerEvent&)> on_event) {
  boost::json::object filters;
  filters["type"] = boost::json::array(types.begin(), types.end());
  const std::string path = "/events?filters=" + PercentEncode(boost::json::serialize(filters));
  std::string target = Target(path);
  std::function<void(std::string_view)> on_line = [on_event = std::move(on_event)](std::string_view line) {
    // A line that is no JSON is no event; what it was about comes back with the next poll.
    if (const auto json = ParseJson(line); json.ok()) on_event(ReadEvent(*json));
  };
  auto ended = co_await http_.GetLines(std::move(target), std::move(on_open), std::move(on_line));
  if (!ended.ok()) co_return std::move(ended).status();
  co_return HttpError("/events", *ended);
}

}  // namespace xlb
