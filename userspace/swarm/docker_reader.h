// Fills a DockerSnapshot from Docker's API.
#ifndef XLB_SWARM_DOCKER_READER_H_
#define XLB_SWARM_DOCKER_READER_H_

#include <boost/asio/awaitable.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "docker/client.h"
#include "swarm/snapshot.h"

namespace xlb {

// What can be read anew by itself, as bits.
enum DockerPart : uint32_t {
  kNodesPart = 1,
  kServicesPart = 2,
  kIngressPart = 4,
  kGatewayPart = 8,
  kTasksPart = 16,
  kNamespacesPart = 32,  // of tasks already known; not Docker's to tell
};
inline constexpr uint32_t kEveryPart = 63;
// What a worker's Docker tells; the rest comes by SetFacts.
inline constexpr uint32_t kWorkerParts = kIngressPart | kGatewayPart | kNamespacesPart;

// The parts that may have changed when this event comes; 0: none.
uint32_t PartsConcernedBy(const DockerEvent& event);

class DockerReader {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit DockerReader(DockerClient& client) : client_(client) {}

  // Reads `parts`; what was read before an error stays.
  boost::asio::awaitable<absl::Status> Read(uint32_t parts);

  void SetInfo(DockerInfo info) { snapshot_.info = std::move(info); }
  // In place of kNodesPart, kServicesPart and kTasksPart.
  void SetFacts(SwarmFacts facts);
  void ContainerDied(const std::string& container_id, Time now);
  void ContainerStarted(const std::string& container_id);
  // A task's state follows its container's end within seconds; afterwards the mark is not needed.
  void ForgetDead(Time now);

  const DockerSnapshot& snapshot() const { return snapshot_; }
  // Running tasks of this node whose containers are not known to be dead.
  std::vector<const SwarmTask*> LocalTasks() const;

 private:
  // The answer, unless it is the last one of the same path again: most polls find nothing new, and parse nothing.
  boost::asio::awaitable<absl::StatusOr<std::optional<boost::json::value>>> Fetch(std::string path);
  boost::asio::awaitable<absl::Status> ReadNetworkInto(std::string path, std::optional<DockerNetwork>& network);
  boost::asio::awaitable<void> ReadSecret();
  boost::asio::awaitable<absl::Status> ReadIngress();
  void TakeServices(std::vector<SwarmService> services);
  void DropEndedServices();

  DockerClient& client_;
  DockerSnapshot snapshot_;
  std::string ingress_id_;
  std::map<std::string, std::string> last_;  // path -> answer
  std::map<std::string, Time> deaths_;       // container -> when
};

}  // namespace xlb

#endif  // XLB_SWARM_DOCKER_READER_H_
