// Docker's JSON -> values. Pure, and tolerant: a member that is missing, null or of another type reads as unset; an
// entry of a list that has no id is left out. Never throws.
#ifndef XLB_DOCKER_READERS_H_
#define XLB_DOCKER_READERS_H_

#include <boost/json/value.hpp>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "docker/types.h"

namespace xlb {

// Text -> JSON, with the reader's limits on depth and no exceptions.
absl::StatusOr<boost::json::value> ParseJson(std::string_view text);

DockerVersion ReadVersion(const boost::json::value& json);
DockerInfo ReadInfo(const boost::json::value& json);
DockerNetwork ReadNetwork(const boost::json::value& json);
std::vector<GossipService> ReadGossip(const boost::json::value& network);  // of a verbose answer; sorted by name
std::vector<DockerNetwork> ReadNetworks(const boost::json::value& json);
std::vector<SwarmService> ReadServices(const boost::json::value& json);
std::vector<SwarmTask> ReadTasks(const boost::json::value& json);
std::vector<SwarmNode> ReadNodes(const boost::json::value& json);
SwarmIdentity ReadSwarmIdentity(const boost::json::value& json);
DockerEvent ReadEvent(const boost::json::value& json);
// The "message" of an error answer; empty when there is none.
std::string ReadErrorMessage(std::string_view body);

}  // namespace xlb

#endif  // XLB_DOCKER_READERS_H_
