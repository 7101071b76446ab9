#include "dataplane/vlan_tags.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "base/unique_fd.h"

namespace xlb {

bool HidesVlanTags(const std::string& device, bool is_veth) {
  if (is_veth) return true;
  UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_value flags{.cmd = ETHTOOL_GFLAGS, .data = 0};
  ifreq request{};
  std::strncpy(request.ifr_name, device.c_str(), sizeof(request.ifr_name) - 1);
  request.ifr_data = reinterpret_cast<char*>(&flags);
  // A device that does not say is taken for one that does.
  if (!socket.valid() || ioctl(socket.get(), SIOCETHTOOL, &request) != 0) return true;
  return (flags.data & ETH_FLAG_RXVLAN) != 0;
}

}  // namespace xlb
