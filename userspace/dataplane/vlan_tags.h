// Whether XDP on a device sees the VLAN tags of its frames.
#ifndef XLB_DATAPLANE_VLAN_TAGS_H_
#define XLB_DATAPLANE_VLAN_TAGS_H_

#include <string>

namespace xlb {

// Does the device, or its driver, take tags off frames before XDP looks at them? Then a frame of a VLAN looks like one
// of the device itself, and its answer would leave without a tag. A veth does: its peer keeps them beside the frame.
bool HidesVlanTags(const std::string& device, bool is_veth);

}  // namespace xlb

#endif  // XLB_DATAPLANE_VLAN_TAGS_H_
