#include <fmt/format.h>

#include <iterator>
#include <memory>

#include "base/file.h"
#include "xlbctl/commands.h"
#include "xlbctl/table.h"

namespace xlb {
namespace {

struct Options {
  std::string file;
  bool dry_run = false;
};

absl::Status Export(Context& context, const Options& options) {
  XLB_ASSIGN_OR_RETURN(const std::string document, context.client().Call("GET", "/v1/static"));
  if (!options.file.empty() && options.file != "-") return WriteFileAtomically(options.file, document);
  context.env.out << document;
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadDocument(Context& context, const std::string& file) {
  if (file != "-") return ReadFile(file);
  return std::string(std::istreambuf_iterator<char>(context.env.in), {});
}

void PrintReply(Context& context, const ApplyReply& reply) {
  for (const std::string& line : reply.added) context.env.out << "added    " << Printable(line) << '\n';
  for (const std::string& line : reply.changed) context.env.out << "changed  " << Printable(line) << '\n';
  for (const std::string& line : reply.removed) context.env.out << "removed  " << Printable(line) << '\n';
  const bool same = reply.added.empty() && reply.changed.empty() && reply.removed.empty();
  if (same) context.env.out << "nothing to change\n";
  if (reply.dry_run && !same) context.env.out << "dry run: nothing was changed\n";
}

absl::Status Apply(Context& context, const Options& options) {
  XLB_ASSIGN_OR_RETURN(const std::string document, ReadDocument(context, options.file));
  const std::string target = options.dry_run ? "/v1/static?dry_run=1" : "/v1/static";
  const absl::StatusOr<ApplyReply> reply = context.client().CallFor<ApplyReply>("PUT", target, document);
  if (absl::IsInvalidArgument(reply.status())) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {}; nothing was changed", options.file, std::string(reply.status().message())));
  }
  XLB_RETURN_IF_ERROR(reply.status());
  if (context.json()) return context.PrintJson(*reply);
  PrintReply(context, *reply);
  return absl::OkStatus();
}

}  // namespace

void AddConfigCommands(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App& export_command = AddCommand(app, "export", "write the static services as JSON", context,
                                        [&context, options] { return Export(context, *options); });
  export_command.add_option("FILE", options->file, "where to (default: standard output)");

  CLI::App& apply = AddCommand(app, "apply", "replace the static services by those of a file, all or nothing", context,
                               [&context, options] { return Apply(context, *options); });
  apply.add_option("FILE", options->file, "as 'export' writes it; - for standard input")->required();
  apply.add_flag("--dry-run", options->dry_run, "only say what would change");
}

}  // namespace xlb
