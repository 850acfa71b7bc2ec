// The members of a ZIP archive that are stored without compression, in place.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "checkpoint/bytes.hpp"
#include "checkpoint/mapped_file.hpp"

namespace causeway {

/// A ZIP archive (ZIP64 included) as PyTorch writes it. No library is used: they copy members out,
/// and here gigabytes of tensors must be used in place, from the mapping. CRCs are not checked, for
/// the same reason and because PyTorch can be told not to write them.
class ZipArchive {
 public:
  /// Reads the central directory. Throws Error(input) where it is damaged.
  explicit ZipArchive(std::shared_ptr<const MappedFile> file);

  const std::string& path() const { return file_->path(); }
  /// Names of all members, in byte order.
  std::vector<std::string> names() const;
  bool contains(std::string_view name) const { return members_.find(name) != members_.end(); }
  /// The bytes of a member. Throws Error(input) where there is none of that name, or it is
  /// compressed, encrypted or damaged.
  Bytes member(std::string_view name) const;

 private:
  struct Member {
    std::uint64_t header_offset = 0, stored_bytes = 0, bytes = 0;
    std::uint16_t method = 0, flags = 0;
  };
  struct Directory {
    std::uint64_t offset = 0, bytes = 0, count = 0;
  };

  Directory find_directory() const;
  Directory read_zip64_directory(std::uint64_t end_record) const;
  void read_directory(const Directory& directory);
  std::uint64_t read_entry(std::uint64_t offset, std::uint64_t end);
  void read_zip64_sizes(Bytes extra, Member& member, std::string_view name) const;
  [[noreturn]] void refuse(std::string_view reason) const;

  std::shared_ptr<const MappedFile> file_;
  Bytes bytes_;
  std::map<std::string, Member, std::less<>> members_;
};

}  // namespace causeway
