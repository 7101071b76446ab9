// Errors as values. Every function that can fail returns absl::Status or absl::StatusOr; no exception crosses a
// function of ours. A message is one line for a person: what failed, on what, why, what to do.
#ifndef XLB_BASE_STATUS_H_
#define XLB_BASE_STATUS_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// NOLINTBEGIN(bugprone-macro-parentheses): declarations and expressions cannot all be put in parentheses.
#define XLB_RETURN_IF_ERROR(expression)                                              \
  do {                                                                               \
    if (absl::Status xlb_status = (expression); !xlb_status.ok()) return xlb_status; \
  } while (false)

#define XLB_STATUS_JOIN2(a, b) a##b
#define XLB_STATUS_JOIN(a, b) XLB_STATUS_JOIN2(a, b)
#define XLB_ASSIGN_OR_RETURN(declaration, expression) \
  XLB_ASSIGN_OR_RETURN_IMPL(XLB_STATUS_JOIN(xlb_or_, __LINE__), declaration, expression)
#define XLB_ASSIGN_OR_RETURN_IMPL(holder, declaration, expression) \
  auto holder = (expression);                                      \
  if (!holder.ok()) return std::move(holder).status();             \
  declaration = *std::move(holder)

// The same inside a coroutine.
#define XLB_CO_RETURN_IF_ERROR(expression)                                              \
  do {                                                                                  \
    if (absl::Status xlb_status = (expression); !xlb_status.ok()) co_return xlb_status; \
  } while (false)
#define XLB_CO_ASSIGN_OR_RETURN(declaration, expression) \
  XLB_CO_ASSIGN_OR_RETURN_IMPL(XLB_STATUS_JOIN(xlb_or_, __LINE__), declaration, expression)
#define XLB_CO_ASSIGN_OR_RETURN_IMPL(holder, declaration, expression) \
  auto holder = (expression);                                         \
  if (!holder.ok()) co_return std::move(holder).status();             \
  declaration = *std::move(holder)
// NOLINTEND(bugprone-macro-parentheses)

namespace xlb {

// A status for a failed system call: "<what>: <strerror(error)>", with the code that fits `error` (a positive errno).
absl::Status ErrnoStatus(int error, std::string_view what);

}  // namespace xlb

#endif  // XLB_BASE_STATUS_H_
