// Looks at Docker's own mesh now and then.
#ifndef XLB_SWARM_DOCKER_MESH_WATCH_H_
#define XLB_SWARM_DOCKER_MESH_WATCH_H_

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "swarm/docker_mesh.h"

namespace xlb {

// Runs on `executor` alone, and so does the callback; none comes after destruction.
class DockerMeshWatch {
 public:
  // Called with DescribeDockerMesh's words when they are others than before.
  using OnChange = std::function<void(const std::string& description)>;

  DockerMeshWatch(boost::asio::any_io_executor executor, std::string netns_dir, OnChange on_change);
  DockerMeshWatch(const DockerMeshWatch&) = delete;
  DockerMeshWatch& operator=(const DockerMeshWatch&) = delete;
  ~DockerMeshWatch();

  // What Docker says. When it says another thing than before the kernel is looked at, some times within half a minute
  // and then every half a minute: by netlink, and by iptables-save, which takes tens of milliseconds of other
  // processes' time.
  void SetDocker(const std::string& server_version, bool in_swarm, bool publishes);

  // Empty before the first look.
  const std::string& description() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace xlb

#endif  // XLB_SWARM_DOCKER_MESH_WATCH_H_
