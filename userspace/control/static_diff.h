// What an `apply` would do, in words.
#ifndef XLB_CONTROL_STATIC_DIFF_H_
#define XLB_CONTROL_STATIC_DIFF_H_

#include "control/replies.h"
#include "model/static_config.h"

namespace xlb {

// Services are the same when their frontends are; a name is an attribute that can change.
ApplyReply DiffStaticConfigs(const StaticConfig& before, const StaticConfig& after);

}  // namespace xlb

#endif  // XLB_CONTROL_STATIC_DIFF_H_
