// The members of a ZIP archive that are stored without compression, in place.
// Layout: APPNOTE.TXT 6.3 of PKWARE, sections 4.3 and 4.5.3.
#include "checkpoint/zip_archive.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "checkpoint/wording.hpp"

namespace causeway {
namespace {

constexpr std::uint32_t local_signature = 0x04034b50;
constexpr std::uint32_t entry_signature = 0x02014b50;
constexpr std::uint32_t end_signature = 0x06054b50;
constexpr std::uint32_t zip64_end_signature = 0x06064b50;
constexpr std::uint32_t zip64_locator_signature = 0x07064b50;
constexpr std::uint64_t local_bytes = 30, entry_bytes = 46, end_bytes = 22;
constexpr std::uint64_t zip64_end_bytes = 56, zip64_locator_bytes = 20;
constexpr std::uint64_t longest_comment = 0xffff;
constexpr std::uint32_t in_zip64 =
    0xffffffff;  ///< a 32-bit field whose value is in the ZIP64 record
constexpr std::uint16_t zip64_extra_id = 0x0001;
constexpr std::uint16_t encrypted_flag = 0x0001;

}  // namespace

ZipArchive::ZipArchive(std::shared_ptr<const MappedFile> file)
    : file_(std::move(file)), bytes_(file_->bytes()) {
  read_directory(find_directory());
}

void ZipArchive::refuse(std::string_view reason) const {
  fail(ExitCode::input,
       "'{}': as a ZIP archive (the container of PyTorch files) {}; copy the file again", path(),
       reason);
}

ZipArchive::Directory ZipArchive::find_directory() const {
  if (bytes_.size() < end_bytes) refuse("it is truncated");
  // The end record is followed by nothing but a comment, whose length it states.
  const std::uint64_t last = bytes_.size() - end_bytes;
  const std::uint64_t first = last > longest_comment ? last - longest_comment : 0;
  for (std::uint64_t offset = last;; --offset) {
    if (load<std::uint32_t>(bytes_, offset) == end_signature &&
        load<std::uint16_t>(bytes_, offset + 20) == last - offset) {
      const auto count = load<std::uint16_t>(bytes_, offset + 10);
      const Directory small{load<std::uint32_t>(bytes_, offset + 16),
                            load<std::uint32_t>(bytes_, offset + 12), count};
      const bool large = small.offset == in_zip64 || small.bytes == in_zip64 || count == 0xffff;
      if (large) return read_zip64_directory(offset);
      if (load<std::uint16_t>(bytes_, offset + 4) != 0 ||
          load<std::uint16_t>(bytes_, offset + 8) != count) {
        refuse("it is one part of several");
      }
      if (!lies_within(small.offset, small.bytes, offset))
        refuse("its directory lies past its end");
      return small;
    }
    if (offset == first) break;
  }
  refuse("it lacks its end (a truncated download?)");
}

ZipArchive::Directory ZipArchive::read_zip64_directory(std::uint64_t end_record) const {
  if (end_record < zip64_locator_bytes) refuse("it lacks its ZIP64 locator");
  const std::uint64_t locator = end_record - zip64_locator_bytes;
  if (load<std::uint32_t>(bytes_, locator) != zip64_locator_signature) {
    refuse("it lacks its ZIP64 locator");
  }
  const auto offset = load<std::uint64_t>(bytes_, locator + 8);
  if (!lies_within(offset, zip64_end_bytes, locator) ||
      load<std::uint32_t>(bytes_, offset) != zip64_end_signature) {
    refuse("its ZIP64 record is not where it should be");
  }
  const Directory directory{load<std::uint64_t>(bytes_, offset + 48),
                            load<std::uint64_t>(bytes_, offset + 40),
                            load<std::uint64_t>(bytes_, offset + 32)};
  if (load<std::uint32_t>(bytes_, offset + 16) != 0 ||
      load<std::uint32_t>(bytes_, offset + 20) != 0 ||
      load<std::uint64_t>(bytes_, offset + 24) != directory.count) {
    refuse("it is one part of several");
  }
  if (!lies_within(directory.offset, directory.bytes, offset)) {
    refuse("its directory lies past its end");
  }
  return directory;
}

void ZipArchive::read_directory(const Directory& directory) {
  const std::uint64_t end = directory.offset + directory.bytes;
  std::uint64_t offset = directory.offset;
  for (std::uint64_t i = 0; i < directory.count; ++i) offset = read_entry(offset, end);
  if (offset != end) refuse("its directory has another length than it says");
}

std::uint64_t ZipArchive::read_entry(std::uint64_t offset, std::uint64_t end) {
  if (!lies_within(offset, entry_bytes, end) ||
      load<std::uint32_t>(bytes_, offset) != entry_signature) {
    refuse("its directory is damaged");
  }
  const auto name_bytes = load<std::uint16_t>(bytes_, offset + 28);
  const auto extra_bytes = load<std::uint16_t>(bytes_, offset + 30);
  const auto comment_bytes = load<std::uint16_t>(bytes_, offset + 32);
  const std::uint64_t total = entry_bytes + name_bytes + extra_bytes + comment_bytes;
  if (!lies_within(offset, total, end)) refuse("its directory is damaged");
  const std::string_view name = as_text(bytes_.subspan(offset + entry_bytes, name_bytes));
  Member member;
  member.flags = load<std::uint16_t>(bytes_, offset + 8);
  member.method = load<std::uint16_t>(bytes_, offset + 10);
  member.stored_bytes = load<std::uint32_t>(bytes_, offset + 20);
  member.bytes = load<std::uint32_t>(bytes_, offset + 24);
  member.header_offset = load<std::uint32_t>(bytes_, offset + 42);
  read_zip64_sizes(bytes_.subspan(offset + entry_bytes + name_bytes, extra_bytes), member, name);
  if (!members_.emplace(name, member).second) {
    refuse(fmt::format("it has two members '{}'", shown(name)));
  }
  return offset + total;
}

void ZipArchive::read_zip64_sizes(Bytes extra, Member& member, std::string_view name) const {
  const bool wanted = member.bytes == in_zip64 || member.stored_bytes == in_zip64 ||
                      member.header_offset == in_zip64;
  std::uint64_t offset = 0;
  while (wanted && lies_within(offset, 4, extra.size())) {
    const auto id = load<std::uint16_t>(extra, offset);
    const auto length = load<std::uint16_t>(extra, offset + 2);
    offset += 4;
    if (!lies_within(offset, length, extra.size())) break;
    if (id != zip64_extra_id) {
      offset += length;
      continue;
    }
    // The values stand in this order, and only those that did not fit their 32-bit fields.
    const std::uint64_t end = offset + length;
    for (std::uint64_t* value : {&member.bytes, &member.stored_bytes, &member.header_offset}) {
      if (*value != in_zip64) continue;
      if (!lies_within(offset, 8, end)) {
        refuse(fmt::format("the ZIP64 sizes of member '{}' are cut short", shown(name)));
      }
      *value = load<std::uint64_t>(extra, offset);
      offset += 8;
    }
    return;
  }
  if (wanted) refuse(fmt::format("the ZIP64 sizes of member '{}' are missing", shown(name)));
}

std::vector<std::string> ZipArchive::names() const {
  std::vector<std::string> result;
  for (const auto& [name, member] : members_) result.push_back(name);
  return result;
}

Bytes ZipArchive::member(std::string_view name) const {
  const auto place = members_.find(name);
  if (place == members_.end()) refuse(fmt::format("it lacks the member '{}'", shown(name)));
  const Member& member = place->second;
  if ((member.flags & encrypted_flag) != 0) {
    refuse(fmt::format("its member '{}' is encrypted", shown(name)));
  }
  if (member.method != 0 || member.stored_bytes != member.bytes) {
    refuse(fmt::format("its member '{}' is compressed (PyTorch stores members as they are)",
                       shown(name)));
  }
  if (!lies_within(member.header_offset, local_bytes, bytes_.size()) ||
      load<std::uint32_t>(bytes_, member.header_offset) != local_signature) {
    refuse(fmt::format("its member '{}' is not where the directory says", shown(name)));
  }
  // Name and extra field are repeated before the data, the extra field with a length of its own:
  // PyTorch pads there, so that data begins at a multiple of 64.
  const auto name_bytes = load<std::uint16_t>(bytes_, member.header_offset + 26);
  const auto extra_bytes = load<std::uint16_t>(bytes_, member.header_offset + 28);
  const std::uint64_t name_offset = member.header_offset + local_bytes;
  const std::uint64_t begin = name_offset + name_bytes + extra_bytes;
  if (!lies_within(begin, member.bytes, bytes_.size())) {
    refuse(fmt::format("its member '{}' reaches past the end of the file", shown(name)));
  }
  if (as_text(bytes_.subspan(name_offset, name_bytes)) != name) {
    refuse(fmt::format("its member '{}' has another name where its data lies", shown(name)));
  }
  return bytes_.subspan(begin, member.bytes);
}

}  // namespace causeway
