// POSIX calls behind atomic_file.hpp: exclusive creation, fsync, rename, fsync of the folder.
#include "output/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "core/error.hpp"

namespace causeway {
namespace {

constexpr std::size_t longest_file_name = 255;  // bytes, on every common file system

const char* advice(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return "free some space or quota, or name an output folder on another file system; finished "
             "samples are kept, so run the same command again to go on";
    case EFBIG:
      return "the file would pass a size limit: see `ulimit -f` and the file system's own";
    case EACCES:
    case EPERM:
    case EROFS:
      return "choose an output folder that you may write to";
    case ENOENT:
      return "the folder is not there: check the spelling, or whether it was removed or unmounted";
    case ENOTDIR:
      return "a part of the path is a file, not a folder: choose another output folder";
    case EISDIR:
      return "a folder has that name: move it away or choose another output folder";
    case ENAMETOOLONG:
      return "use a shorter name or output folder";
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files (`ulimit -n`)";
    default:
      return "check that the file system is healthy and mounted, then run the same command again";
  }
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// Without this a power failure may lose the new name although the file's own bytes are safe.
void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail_output("open the folder", folder, errno);
  const int error_number = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  // Some network and user-space file systems have no fsync for folders; they say so with these two.
  if (error_number != 0 && error_number != EINVAL && error_number != ENOTSUP) {
    fail_output("make durable the folder", folder, error_number);
  }
}

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  static std::atomic<unsigned long> counter{0};
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  for (char& letter : host) {
    if (letter == '/') letter = '-';
  }
  const std::string suffix =
      fmt::format(".tmp-{}-{}-{}", host.data(), ::getpid(), counter.fetch_add(1));
  std::string name = path.filename().string();
  // A long name is cut; the suffix alone is unique.
  name.resize(std::min(name.size(), longest_file_name - 1 - std::min(suffix.size(), 200ul)));
  return folder_of(path) / ("." + name + suffix);
}

}  // namespace

void fail_output(std::string_view action, const std::filesystem::path& path, int error_number) {
  fail(ExitCode::output, "cannot {} '{}' ({}); {}", action, path.string(),
       std::generic_category().message(error_number), advice(error_number));
}

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  expects(path_.has_filename(), "an output file has a name");
  if (path_.filename().native().size() > longest_file_name) {
    fail_output("create", path_, ENAMETOOLONG);
  }
  do {  // a name can be taken by what a killed process of the same id left behind
    temporary_ = temporary_name(path_);
    descriptor_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && (errno == EEXIST || errno == EINTR));
  if (descriptor_ < 0) fail_output("create", temporary_, errno);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  if (this != &other) {
    discard();
    path_ = std::move(other.path_);
    temporary_ = std::move(other.temporary_);
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
  descriptor_ = -1;
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  expects(descriptor_ >= 0, "a file is written before it is published");
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_output("write", path_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::sync() {
  expects(descriptor_ >= 0, "a file is synced before it is published");
  if (::fsync(descriptor_) != 0) fail_output("make durable", path_, errno);
}

void AtomicFile::publish() {
  sync();
  // Network file systems report a full disk or quota as late as here.
  const int closed = ::close(descriptor_);
  const int close_error = errno;
  descriptor_ = -1;
  if (closed != 0) {
    ::unlink(temporary_.c_str());
    fail_output("write", path_, close_error);
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int rename_error = errno;
    ::unlink(temporary_.c_str());
    fail_output("give its final name to", path_, rename_error);
  }
  sync_folder(folder_of(path_));
}

void make_directories(const std::filesystem::path& folder) {
  expects(!folder.empty(), "a folder has a name");
  struct stat status {};
  if (::stat(folder.c_str(), &status) == 0) {
    if (!S_ISDIR(status.st_mode)) fail_output("make the folder", folder, ENOTDIR);
    return;
  }
  if (errno != ENOENT) fail_output("make the folder", folder, errno);
  const std::filesystem::path parent =
      folder.has_filename() ? folder_of(folder) : folder.parent_path();
  if (!parent.empty() && parent != folder) make_directories(parent);
  if (!folder.has_filename()) return;  // "a/b/": the parent was the folder itself
  if (::mkdir(folder.c_str(), 0777) == 0) {
    sync_folder(parent);
  } else if (errno != EEXIST) {  // another rank may have been first
    fail_output("make the folder", folder, errno);
  }
}

void write_text_atomically(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.publish();
}

}  // namespace causeway
