#include "netfilter/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "base/netns.h"
#include "base/unique_fd.h"

namespace xlb {
namespace {

namespace asio = boost::asio;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds kTimeLimit{5};
constexpr size_t kOutputLimit = size_t{32} * 1024 * 1024;

struct Pipe {
  UniqueFd read, write;
};

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus(errno, "cannot make a pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// A child that is killed and waited for when it goes out of scope.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (pid_ == 0) return;
    Kill();
    (void)Wait();
  }
  pid_t pid() const { return pid_; }
  void Kill() const { kill(pid_, SIGKILL); }
  // Its status, as of waitpid.
  int Wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return status;
  }

 private:
  pid_t pid_;
};

// posix_spawn's child is in the namespaces of the thread that calls it.
absl::StatusOr<Child> Spawn(const std::string& netns_path, const std::vector<std::string>& argv, int output,
                            int errors) {
  std::optional<NetnsScope> scope;
  if (!netns_path.empty()) {
    XLB_ASSIGN_OR_RETURN(NetnsScope entered, NetnsScope::Enter(netns_path));
    scope.emplace(std::move(entered));
  }
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  // The daemon ignores SIGPIPE; programs do not expect to be born with that.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  // Its messages are read by people and, "incompatible", by the parser: not translated.
  char locale[] = "LC_ALL=C";
  char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {locale, path, nullptr};
  pid_t pid = 0;
  const int error = posix_spawn(&pid, argv[0].c_str(), &actions, &attributes, arguments.data(), environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return ErrnoStatus(error, fmt::format("cannot run {}", argv[0]));
  return Child(pid);
}

// Both of a program's streams, read to their ends.
struct Streams {
  asio::posix::stream_descriptor output, errors;
  std::string printed, complained;
};

// Outlives the coroutine in the timer's handler.
struct TimeLimit {
  bool exceeded = false;
  bool over = false;  // the streams were read: nothing is left to limit
};

asio::awaitable<boost::system::error_code> ReadAll(asio::posix::stream_descriptor& from, std::string& into) {
  char buffer[16384];
  for (;;) {
    const auto [error, size] = co_await from.async_read_some(asio::buffer(buffer), kAwait);
    if (error == asio::error::eof) co_return boost::system::error_code();
    if (error) co_return error;
    if (into.size() + size > kOutputLimit) co_return asio::error::no_buffer_space;
    into.append(buffer, size);
  }
}

absl::Status EndStatus(const std::string& program, int status, const std::string& complained) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  const std::string end = WIFEXITED(status) ? fmt::format("exit status {}", WEXITSTATUS(status))
                                            : fmt::format("signal {}", WTERMSIG(status));
  const std::string line = complained.substr(0, complained.find('\n'));
  return absl::InternalError(fmt::format("{} failed ({}){}{}", program, end, line.empty() ? "" : ": ", line));
}

}  // namespace

asio::awaitable<absl::StatusOr<std::string>> RunProgram(std::string netns_path, std::vector<std::string> argv) {
  XLB_CO_ASSIGN_OR_RETURN(Pipe output, MakePipe());
  XLB_CO_ASSIGN_OR_RETURN(Pipe errors, MakePipe());
  XLB_CO_ASSIGN_OR_RETURN(Child child, Spawn(netns_path, argv, output.write.get(), errors.write.get()));
  output.write.Reset();
  errors.write.Reset();
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Streams streams{asio::posix::stream_descriptor(executor, output.read.Release()),
                  asio::posix::stream_descriptor(executor, errors.read.Release()),
                  {},
                  {}};
  asio::steady_timer timer(executor, kTimeLimit);
  const auto limit = std::make_shared<TimeLimit>();
  timer.async_wait([limit, pid = child.pid(), &streams](const boost::system::error_code& error) {
    if (error || limit->over) return;
    limit->exceeded = true;
    kill(pid, SIGKILL);
    // A grandchild may go on holding their far ends.
    streams.output.close();
    streams.errors.close();
  });
  // Complaints are few and fit the pipe while the output is read.
  boost::system::error_code failed = co_await ReadAll(streams.output, streams.printed);
  if (!failed) failed = co_await ReadAll(streams.errors, streams.complained);
  limit->over = true;
  if (failed) child.Kill();
  // It has closed its streams, and so has ended but for a moment.
  const int status = child.Wait();
  timer.cancel();
  if (limit->exceeded) {
    co_return absl::DeadlineExceededError(fmt::format("{} did not end within {} s", argv[0], kTimeLimit.count()));
  }
  if (failed) co_return absl::InternalError(fmt::format("cannot read what {} prints: {}", argv[0], failed.message()));
  XLB_CO_RETURN_IF_ERROR(EndStatus(argv[0], status, streams.complained));
  co_return std::move(streams.printed);
}

}  // namespace xlb
