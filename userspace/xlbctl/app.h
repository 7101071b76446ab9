// xlbctl as a function, so that tests run it in-process.
#ifndef XLB_XLBCTL_APP_H_
#define XLB_XLBCTL_APP_H_

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "base/status.h"

namespace xlb {

// The world around a command.
struct Environment {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool terminal = false;  // `out` is one
  // Takes the data path away without a daemon: DetachDataPath of the data plane, which this library does not link.
  std::function<absl::StatusOr<std::vector<std::string>>(const std::string& bpffs_dir)> detach_data_path;
};

// The exit code: 0 done, 1 refused (one line on `err`), 2 usage: the line could not be understood. `args`: without the
// program's name.
int RunXlbctl(const std::vector<std::string>& args, Environment& environment);

}  // namespace xlb

#endif  // XLB_XLBCTL_APP_H_
