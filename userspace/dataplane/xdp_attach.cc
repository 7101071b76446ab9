#include "dataplane/xdp_attach.h"

#include <fmt/core.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"
#include "dataplane/dispatcher.h"
#include "dataplane/pins.h"
#include "dataplane/veth_peer.h"
#include "dataplane/vlan_tags.h"

namespace xlb {
namespace {

uint32_t ModeFlag(bool generic) { return generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE; }

// Is XDP at this device in the mode that `generic` names?
bool RunsInMode(uint32_t ifindex, bool generic) {
  LIBBPF_OPTS(bpf_xdp_query_opts, options);
  if (bpf_xdp_query(static_cast<int>(ifindex), 0, &options) != 0) return false;
  return options.attach_mode == (generic ? XDP_ATTACHED_SKB : XDP_ATTACHED_DRV);
}

// Puts the new program behind the link that an earlier xlbd pinned: atomic, no packet sees the device without one.
bool UpdatePinnedLink(const std::string& pin, uint32_t ifindex, int program_fd, bool generic) {
  UniqueFd link(bpf_obj_get(pin.c_str()));
  if (!link.valid()) return false;
  if (RunsInMode(ifindex, generic) && bpf_link_update(link.get(), program_fd, nullptr) == 0) return true;
  // Another mode, or the device it was on is gone. Kernels before 6.9 would detach it only some time after the last
  // reference went, and the new one is tried at once.
  bpf_link_detach(link.get());
  unlink(pin.c_str());
  return false;
}

absl::Status AttachLink(const std::string& bpffs_dir, uint32_t ifindex, int program_fd, bool generic) {
  const std::string pin = XdpLinkPin(bpffs_dir, ifindex);
  if (UpdatePinnedLink(pin, ifindex, program_fd, generic)) return absl::OkStatus();
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = ModeFlag(generic));
  UniqueFd link(bpf_link_create(program_fd, static_cast<int>(ifindex), BPF_XDP, &options));
  if (!link.valid()) {
    if (errno == EBUSY) return absl::AlreadyExistsError("another XDP program is on the device");
    if (errno == EEXIST) {
      return absl::AlreadyExistsError(
          fmt::format("another XDP program is on the device, in {} mode", generic ? "native" : "generic"));
    }
    if (errno == EOPNOTSUPP) return absl::UnimplementedError("its driver has no native XDP");
    return ErrnoStatus(errno, "the kernel refuses XDP there");
  }
  if (bpf_obj_pin(link.get(), pin.c_str()) != 0) return ErrnoStatus(errno, fmt::format("cannot pin {}", pin));
  return absl::OkStatus();
}

// Takes away the link that an earlier xlbd pinned. False when there was none.
absl::StatusOr<bool> DetachLink(const std::string& bpffs_dir, uint32_t ifindex) {
  const std::string pin = XdpLinkPin(bpffs_dir, ifindex);
  UniqueFd link(bpf_obj_get(pin.c_str()));
  if (!link.valid()) return false;
  bpf_link_detach(link.get());  // at once, whoever else holds a descriptor; the device may be gone, which is as good
  if (unlink(pin.c_str()) != 0) return ErrnoStatus(errno, fmt::format("cannot remove the pin {}", pin));
  return true;
}

XdpAttachment Off(std::string reason) { return {.reason = std::move(reason)}; }

XdpAttachment AttachGeneric(const Programs& programs, const std::string& bpffs_dir, uint32_t ifindex) {
  (void)DetachFromDispatcher(ifindex);  // an earlier xlbd's native program bars generic XDP: the attempt below says so
  const absl::Status status = AttachLink(bpffs_dir, ifindex, programs.xdp_fd(), /*generic=*/true);
  if (!status.ok()) return Off(fmt::format("generic XDP: {}; TC does all the work", std::string(status.message())));
  return {.mode = "generic",
          .attach = "link",
          .reason = "generic XDP sees frames after GRO and leaves the long ones to TC: --xdp off is faster"};
}

}  // namespace

absl::StatusOr<XdpMode> ParseXdpMode(std::string_view text) {
  if (text == "auto") return XdpMode::kAuto;
  if (text == "native") return XdpMode::kNative;
  if (text == "generic") return XdpMode::kGeneric;
  if (text == "off") return XdpMode::kOff;
  return absl::InvalidArgumentError(fmt::format("\"{}\" is not an XDP mode: auto, native, generic or off", text));
}

XdpAttachment AttachXdp(const Programs& programs, const std::string& bpffs_dir, uint32_t flow_buckets,
                        const UplinkDevice& device, XdpMode mode) {
  if (mode == XdpMode::kOff) {
    const auto removed = DetachXdp(bpffs_dir, device.ifindex);
    return Off(removed.ok() ? "" : std::string(removed.status().message()));
  }
  if (device.has_vlans && HidesVlanTags(device.name, device.is_veth)) {
    const auto removed = DetachXdp(bpffs_dir, device.ifindex);
    std::string reason =
        "VLANs lie on it, and their tags are taken off before XDP sees the frames; TC does all the work";
    if (!device.is_veth)
      reason += fmt::format(" ('ethtool -K {} rxvlan off' and a restart of xlbd give it to XDP)", device.name);
    if (!removed.ok()) reason += fmt::format(" ({})", std::string(removed.status().message()));
    return Off(std::move(reason));
  }
  if (mode == XdpMode::kGeneric) return AttachGeneric(programs, bpffs_dir, device.ifindex);
  std::string unheard;
  if (device.is_veth) {
    if (const absl::Status peer = CheckVethPeer(device.name); !peer.ok()) unheard = std::string(peer.message());
  }
  if (!unheard.empty() && mode == XdpMode::kAuto) {
    const auto removed = DetachXdp(bpffs_dir, device.ifindex);
    return Off(fmt::format("{}; TC does all the work{}", unheard,
                           removed.ok() ? "" : fmt::format(" ({})", std::string(removed.status().message()))));
  }
  std::string why_no_dispatcher;
  // A native link is replaced without a gap, so it stays; a generic one has to go in any case.
  if (!RunsInMode(device.ifindex, /*generic=*/false)) (void)DetachLink(bpffs_dir, device.ifindex);
  if (access(XdpLinkPin(bpffs_dir, device.ifindex).c_str(), F_OK) == 0) {
    why_no_dispatcher = "an earlier xlbd attached by a link";
  } else {
    const absl::Status status = AttachByDispatcher(bpffs_dir, flow_buckets, device.ifindex);
    if (status.ok()) return {.mode = "native", .attach = "dispatcher", .reason = unheard};
    why_no_dispatcher = std::string(status.message());
  }
  const absl::Status status = AttachLink(bpffs_dir, device.ifindex, programs.xdp_fd(), /*generic=*/false);
  if (!status.ok()) return Off(fmt::format("native XDP: {}; TC does all the work", std::string(status.message())));
  return {.mode = "native",
          .attach = "link",
          .reason = fmt::format("no dispatcher: {}{}{}", why_no_dispatcher, unheard.empty() ? "" : "; ", unheard)};
}

absl::StatusOr<bool> DetachXdp(const std::string& bpffs_dir, uint32_t ifindex) {
  XLB_ASSIGN_OR_RETURN(const bool from_dispatcher, DetachFromDispatcher(ifindex));
  XLB_ASSIGN_OR_RETURN(const bool from_link, DetachLink(bpffs_dir, ifindex));
  return from_dispatcher || from_link;
}

}  // namespace xlb
