// A file that is mapped into memory, read only.
#include "checkpoint/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "core/error.hpp"

namespace causeway {
namespace {

std::uintptr_t page_size() {
  static const auto size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

/// Closes the descriptor on every way out; a mapping outlives it.
struct Descriptor {
  int number = -1;
  explicit Descriptor(int opened) : number(opened) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  // Not blocking: opening a named pipe would otherwise wait for a writer that never comes.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  require(file.number >= 0, ExitCode::input,
          "cannot open '{}' ({}); check the path and its permissions", path, std::strerror(errno));
  struct stat status {};
  require(::fstat(file.number, &status) == 0, ExitCode::input, "cannot examine '{}' ({})", path,
          std::strerror(errno));
  require(S_ISREG(status.st_mode), ExitCode::input,
          "cannot read '{}' (it is not a regular file); name a file here", path);
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;
  void* mapping = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.number, 0);
  require(mapping != MAP_FAILED, ExitCode::input,
          "cannot map '{}' of {} bytes into memory ({}); check `ulimit -v`", path, size_,
          std::strerror(errno));
  data_ = static_cast<const std::byte*>(mapping);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

bool MappedFile::contains(const void* pointer) const {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  const auto start = reinterpret_cast<std::uintptr_t>(data_);
  return data_ != nullptr && address >= start && address - start < size_;
}

void MappedFile::will_need(const void* begin, std::size_t bytes) const {
  if (bytes == 0 || !contains(begin)) return;
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  const std::uintptr_t first = address / page_size() * page_size();
  // Advice only: where the kernel declines, the pages are read when they are touched.
  (void)::madvise(reinterpret_cast<void*>(first), address - first + bytes, MADV_WILLNEED);
}

void MappedFile::release(const void* begin, std::size_t bytes) const {
  if (bytes == 0 || !contains(begin)) return;
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  const std::uintptr_t first = (address + page_size() - 1) / page_size() * page_size();
  const std::uintptr_t last = (address + bytes) / page_size() * page_size();
  if (first >= last) return;
  // Advice only: where the kernel declines, the pages stay resident until memory is short.
  (void)::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace causeway
