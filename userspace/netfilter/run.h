// Runs a program and takes what it prints.
#ifndef XLB_NETFILTER_RUN_H_
#define XLB_NETFILTER_RUN_H_

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "base/status.h"

namespace xlb {

// Its standard output, once it has ended with exit status 0. In the network namespace named by a file, or the
// process's own for "". Any other end is an error with the first line that it complained in. It is killed when it has
// not ended after five seconds, or when the coroutine is destroyed.
boost::asio::awaitable<absl::StatusOr<std::string>> RunProgram(std::string netns_path, std::vector<std::string> argv);

}  // namespace xlb

#endif  // XLB_NETFILTER_RUN_H_
