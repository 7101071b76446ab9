#include "control/listen.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace xlb {
namespace {

absl::StatusOr<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        fmt::format("socket path \"{}\" must have 1 to {} characters", path, sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

absl::Status InUse(const std::string& path) {
  return absl::AlreadyExistsError(fmt::format("another xlbd answers on {}; stop it first", path));
}

absl::StatusOr<UniqueFd> Lock(const std::string& path) {
  const std::string lock_path = path + ".lock";
  UniqueFd fd(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(errno, fmt::format("cannot open {}", lock_path));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  return errno == EWOULDBLOCK ? InUse(path) : ErrnoStatus(errno, fmt::format("cannot lock {}", lock_path));
}

// Removes what a daemon that died has left. Refuses a socket that somebody listens on, and what is no socket.
absl::Status RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat found;
  if (lstat(path.c_str(), &found) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, fmt::format("cannot look at {}", path));
  }
  if (!S_ISSOCK(found.st_mode)) {
    return absl::FailedPreconditionError(fmt::format("{} exists and is not a socket; move it away", path));
  }
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return ErrnoStatus(errno, "cannot make a unix socket");
  const int result = connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (result == 0 || errno == EAGAIN) return InUse(path);  // EAGAIN: it lives, but its backlog is full
  if (errno != ECONNREFUSED && errno != ENOENT) return ErrnoStatus(errno, fmt::format("cannot probe {}", path));
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoStatus(errno, fmt::format("cannot remove {}", path));
}

// Best effort: without the group, root alone may talk to the daemon.
void GiveToGroup(const std::string& path, const std::string& group) {
  if (group.empty()) return;
  const struct group* entry = getgrnam(group.c_str());
  if (entry == nullptr) return;
  [[maybe_unused]] const int result = chown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid);
}

}  // namespace

absl::StatusOr<UnixListener> UnixListener::Open(const std::string& path, const std::string& group) {
  UnixListener listener;
  listener.path_ = path;
  XLB_RETURN_IF_ERROR(UnixAddress(path).status());
  const std::string directory = std::filesystem::path(path).parent_path().string();
  std::error_code error;
  if (!directory.empty()) std::filesystem::create_directories(directory, error);
  if (error) return ErrnoStatus(error.value(), fmt::format("cannot make the directory {}", directory));
  XLB_ASSIGN_OR_RETURN(listener.lock_, Lock(path));
  absl::Status status = listener.Bind(group);
  if (!status.ok()) {
    listener.lock_.Reset();
    return status;
  }
  return listener;
}

absl::Status UnixListener::Bind(const std::string& group) {
  XLB_ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(path_));
  XLB_RETURN_IF_ERROR(RemoveStale(path_, address));
  fd_ = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_.valid()) return ErrnoStatus(errno, "cannot make a unix socket");
  // Before bind, which takes the file's mode from it: at no moment is the socket open to everybody.
  fchmod(fd_.get(), 0660);
  if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, fmt::format("cannot bind {}", path_));
  }
  struct stat made;
  if (lstat(path_.c_str(), &made) == 0) {
    device_ = made.st_dev;
    inode_ = made.st_ino;
  }
  GiveToGroup(path_, group);
  if (chmod(path_.c_str(), 0660) != 0) return ErrnoStatus(errno, fmt::format("cannot set the mode of {}", path_));
  if (listen(fd_.get(), SOMAXCONN) != 0) return ErrnoStatus(errno, fmt::format("cannot listen on {}", path_));
  return absl::OkStatus();
}

UnixListener::~UnixListener() {
  if (!lock_.valid()) return;  // moved from, or never got so far
  struct stat found;
  if (lstat(path_.c_str(), &found) != 0) return;
  if (inode_ != 0 && found.st_dev == device_ && found.st_ino == inode_) unlink(path_.c_str());
}

}  // namespace xlb
