#include <fmt/format.h>

#include <memory>

#include "xlbctl/commands.h"
#include "xlbctl/table.h"

namespace xlb {
namespace {

// A running daemon has to do it itself, or it would put back what it misses. Without one there is nobody to ask.
absl::StatusOr<DetachReply> Detached(Context& context, const std::string& bpffs_dir) {
  absl::StatusOr<DetachReply> reply = context.client().CallFor<DetachReply>("POST", "/v1/detach");
  if (!absl::IsUnavailable(reply.status())) return reply;
  XLB_ASSIGN_OR_RETURN(std::vector<std::string> removed, context.env.detach_data_path(bpffs_dir));
  return DetachReply{std::move(removed)};
}

absl::Status Detach(Context& context, const std::string& bpffs_dir) {
  XLB_ASSIGN_OR_RETURN(const DetachReply reply, Detached(context, bpffs_dir));
  if (context.json()) return context.PrintJson(reply);
  for (const std::string& line : reply.removed) context.env.out << Printable(line) << '\n';
  if (reply.removed.empty()) context.env.out << "there was nothing to detach\n";
  return absl::OkStatus();
}

}  // namespace

void AddDetachCommand(CLI::App& app, Context& context) {
  auto bpffs_dir = std::make_shared<std::string>("/sys/fs/bpf/xlb");
  CLI::App& detach = AddCommand(app, "detach", "take xlb's programs off this node; Docker's own mesh carries on",
                                context, [&context, bpffs_dir] { return Detach(context, *bpffs_dir); });
  detach.add_option("--bpffs", *bpffs_dir, "where the pins are, when no daemon runs")->capture_default_str();
}

}  // namespace xlb
