#include "xlbd/host_sockets.h"

#include <dirent.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>

#include "base/file.h"

namespace xlb {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

std::vector<std::string> Numbers(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, CloseDirectory> directory(opendir(path.c_str()));
  if (directory == nullptr) return names;  // a process that is gone
  while (const dirent* entry = readdir(directory.get())) {
    if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') names.emplace_back(entry->d_name);
  }
  return names;
}

// "socket:[12345]" -> 12345.
uint64_t InodeOf(const std::string& link) {
  char target[64];
  const ssize_t size = readlink(link.c_str(), target, sizeof(target));
  constexpr std::string_view kStart = "socket:[";
  if (size <= 0 || !std::string_view(target, static_cast<size_t>(size)).starts_with(kStart)) return 0;
  uint64_t inode = 0;
  std::from_chars(target + kStart.size(), target + size, inode);
  return inode;
}

std::string NameOf(const std::string& pid) {
  auto name = ReadFile(fmt::format("/proc/{}/comm", pid));
  if (!name.ok()) return "?";
  while (!name->empty() && name->back() == '\n') name->pop_back();
  return *name;
}

constexpr std::chrono::seconds kMoment{1};

// The ports that the kernel gives to sockets that do not ask for one.
struct PortsOfClients {
  uint16_t first = 32768, last = 60999;
};
PortsOfClients ReadPortsOfClients() {
  PortsOfClients ports;
  const auto text = ReadFile("/proc/sys/net/ipv4/ip_local_port_range");
  unsigned first = 0, last = 0;
  if (text.ok() && std::sscanf(text->c_str(), "%u %u", &first, &last) == 2 && last <= 65535) {
    ports = {static_cast<uint16_t>(first), static_cast<uint16_t>(last)};
  }
  return ports;
}

}  // namespace

std::map<uint64_t, std::string> FindSocketOwners(const std::set<uint64_t>& inodes) {
  std::map<uint64_t, std::string> owners;
  for (const std::string& pid : Numbers("/proc")) {
    std::optional<std::string> who;
    const std::string directory = fmt::format("/proc/{}/fd", pid);
    for (const std::string& fd : Numbers(directory)) {
      const uint64_t inode = InodeOf(fmt::format("{}/{}", directory, fd));
      if (inode == 0 || !inodes.contains(inode)) continue;
      if (!who) {
        const std::string name = NameOf(pid);
        who = name == "dockerd" || name == "docker-proxy" ? "" : fmt::format("{} (pid {})", name, pid);
      }
      // Of several processes the first counts, but Docker's before all.
      if (who->empty()) owners[inode] = *who;
      owners.emplace(inode, *who);
    }
  }
  return owners;
}

absl::Status HostSockets::Refresh(const std::set<Port>& ports) {
  XLB_ASSIGN_OR_RETURN(const std::vector<WaitingSocket> sockets, ReadWaitingSockets());
  std::vector<WaitingSocket> found;
  std::set<uint64_t> unknown;
  for (const WaitingSocket& socket : sockets) {
    if (!ports.contains({static_cast<Protocol>(socket.protocol), socket.port})) continue;
    found.push_back(socket);
    if (!known_.contains(socket.inode)) unknown.insert(socket.inode);
  }
  if (!unknown.empty()) known_.merge(FindSocketOwners(unknown));
  PortOwners owners;
  std::map<uint64_t, Clock::Time> seen;
  for (const WaitingSocket& socket : found) {
    const auto before = first_seen_.find(socket.inode);
    seen.emplace(socket.inode, before == first_seen_.end() ? clock_->Now() : before->second);
  }
  first_seen_ = std::move(seen);
  for (const WaitingSocket& socket : found) {
    const auto known = known_.find(socket.inode);
    if (known != known_.end() && known->second.empty()) continue;
    if (IsPassing(socket)) continue;
    const std::string who = known != known_.end() ? known->second
                            : socket.inode == 0   ? "the kernel"
                                                  : "a process that /proc does not show";
    owners[{static_cast<Protocol>(socket.protocol), socket.port}].push_back({socket.address, who});
  }
  std::erase_if(known_, [&](const auto& entry) { return !first_seen_.contains(entry.first); });
  for (auto& [port, list] : owners) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  owners_ = std::move(owners);
  return absl::OkStatus();
}

// A client of DNS waits on such a port for a moment; a server is there to stay.
bool HostSockets::IsPassing(const WaitingSocket& socket) const {
  static const PortsOfClients ports = ReadPortsOfClients();
  const bool of_clients = socket.protocol == IPPROTO_UDP && socket.port >= ports.first && socket.port <= ports.last;
  return of_clients && clock_->Now() - first_seen_.at(socket.inode) < kMoment;
}

}  // namespace xlb
