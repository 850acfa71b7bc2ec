// Tests of the ZIP reader: plain and ZIP64 archives, and archives that lie.
#include "checkpoint/zip_archive.hpp"

#include <gtest/gtest.h>

#include "checkpoint_files.hpp"

namespace causeway {
namespace {

using testing::expect_refused;
using testing::little_endian;
using testing::TemporaryFolder;
using testing::zip_bytes;
using testing::ZipMember;

ZipArchive open_zip(const TemporaryFolder& folder, const std::string& bytes) {
  return ZipArchive(std::make_shared<const MappedFile>(folder.write("a.zip", bytes)));
}

TEST(ZipArchive, gives_members_in_place) {
  const TemporaryFolder folder;
  for (const bool zip64 : {false, true}) {
    const std::string bytes =
        zip_bytes({{"x/one", "first", 0, 0, ""}, {"x/two", "", 0, 0, ""}}, zip64);
    const ZipArchive archive = open_zip(folder, bytes);
    EXPECT_EQ(archive.names(), (std::vector<std::string>{"x/one", "x/two"}));
    EXPECT_EQ(as_text(archive.member("x/one")), "first");
    EXPECT_EQ(as_text(archive.member("x/two")), "");
    EXPECT_FALSE(archive.contains("one"));
    expect_refused([&] { archive.member("one"); }, {"lacks the member 'one'"});
  }
}

TEST(ZipArchive, may_carry_a_comment) {
  const TemporaryFolder folder;
  std::string bytes = zip_bytes({{"a", "data", 0, 0, ""}});
  bytes.replace(bytes.size() - 2, 2, little_endian<std::uint16_t>(7));
  EXPECT_EQ(as_text(open_zip(folder, bytes + "comment").member("a")), "data");
  expect_refused([&] { open_zip(folder, bytes + "commen"); }, {"lacks its end"});
}

TEST(ZipArchive, refuses_members_that_cannot_be_used_in_place) {
  const TemporaryFolder folder;
  const ZipArchive archive = open_zip(folder, zip_bytes({{"packed", "x", 8, 0, ""},
                                                         {"secret", "x", 0, 1, ""},
                                                         {"moved", "x", 0, 0, "other"}}));
  expect_refused([&] { archive.member("packed"); }, {"'packed' is compressed"});
  expect_refused([&] { archive.member("secret"); }, {"'secret' is encrypted"});
  expect_refused([&] { archive.member("moved"); }, {"'moved' has another name"});
}

TEST(ZipArchive, refuses_two_members_of_one_name) {
  const TemporaryFolder folder;
  expect_refused(
      [&] {
        open_zip(folder, zip_bytes({{"a", "1", 0, 0, ""}, {"a", "2", 0, 0, ""}}));
      },
      {"two members 'a'"});
}

/// Replaces bytes counted from the end of an archive.
std::string patched(std::string bytes, std::size_t from_end, const std::string& value) {
  return bytes.replace(bytes.size() - from_end, value.size(), value);
}

TEST(ZipArchive, refuses_records_that_point_astray) {
  const TemporaryFolder folder;
  const std::string small = zip_bytes({{"a", "1", 0, 0, ""}});
  const auto refuse = [&](const std::string& bytes, const std::string& message) {
    expect_refused([&] { open_zip(folder, bytes).member("a"); }, {message, "a.zip"});
  };
  const auto huge = little_endian<std::uint32_t>(0xfffffff0);
  refuse(patched(small, 6, huge), "directory lies past its end");
  refuse(patched(small, 10, huge), "directory lies past its end");
  refuse(patched(small, 6, little_endian<std::uint32_t>(0)), "directory is damaged");
  refuse(patched(small, 12, little_endian<std::uint16_t>(2)), "one part of several");
  refuse(patched(patched(small, 12, little_endian<std::uint16_t>(2)), 14,
                 little_endian<std::uint16_t>(2)),
         "directory is damaged");
  refuse(patched(patched(small, 12, little_endian<std::uint16_t>(0)), 14,
                 little_endian<std::uint16_t>(0)),
         "another length");
  refuse(patched(small, 6, little_endian<std::uint32_t>(0xffffffff)), "lacks its ZIP64 locator");
  // The one directory entry has 46 bytes and the name; its fields count from its start.
  const std::size_t entry = 22 + 47;
  refuse(patched(small, entry - 42, huge), "not where the directory says");
  refuse(patched(patched(small, entry - 20, huge), entry - 24, huge), "past the end of the file");
  refuse(patched(small, entry - 24, little_endian<std::uint32_t>(0xffffffff)), "'a' are missing");
  refuse(patched(small, entry - 28, little_endian<std::uint16_t>(0xffff)), "directory is damaged");
}

TEST(ZipArchive, refuses_zip64_records_that_point_astray) {
  const TemporaryFolder folder;
  const std::string large = zip_bytes({{"a", "1", 0, 0, ""}}, true);
  const auto refuse = [&](const std::string& bytes, const std::string& message) {
    expect_refused([&] { open_zip(folder, bytes).member("a"); }, {message});
  };
  const auto huge = little_endian<std::uint64_t>(~std::uint64_t{0} - 5);
  refuse(patched(large, 22 + 12, huge), "ZIP64 record is not where");
  refuse(patched(large, 22 + 20 + 8, huge), "directory lies past its end");
  refuse(patched(large, 22 + 20 + 16, huge), "directory lies past its end");
  refuse(patched(large, 22 + 20 + 24, huge), "one part of several");
  // The extra field ends the directory: size, stored size, offset.
  const std::size_t end = 22 + 20 + 56;
  refuse(patched(large, end + 8, huge), "not where the directory says");
  refuse(patched(patched(large, end + 16, huge), end + 24, huge), "past the end of the file");
  refuse(patched(large, end + 26, little_endian<std::uint16_t>(16)), "cut short");
  refuse(patched(large, end + 28, little_endian<std::uint16_t>(2)), "are missing");
}

}  // namespace
}  // namespace causeway
