// A file that is mapped into memory, read only.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace causeway {

/// Read-only mapping of a whole file. The pages are those of the page cache, so that processes of
/// one node share one copy. The file must not shrink while it is mapped: the kernel answers a read
/// past its new end with SIGBUS, which no check of ours can see in advance.
class MappedFile {
 public:
  /// Throws Error(input) where the file is missing, unreadable or not a regular file.
  explicit MappedFile(const std::string& path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  bool contains(const void* pointer) const;

  /// Starts reading the bytes from disk, without waiting for them.
  void will_need(const void* begin, std::size_t bytes) const;
  /// Takes the whole pages inside the range out of this process; they stay in the page cache and
  /// come back when touched.
  void release(const void* begin, std::size_t bytes) const;

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace causeway
