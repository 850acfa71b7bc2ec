// Tests of the read-only mapping: what cannot be mapped, and that released pages leave the process.
#include "checkpoint/mapped_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>

#include "checkpoint_files.hpp"

namespace causeway {
namespace {

using testing::expect_refused;
using testing::TemporaryFolder;

/// Pages of the range that are in this process's page table, from /proc/self/pagemap (bit 63 of a
/// word).
int resident_pages(const void* begin, std::size_t bytes) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<std::uintptr_t>(begin) / page;
  // pread, because the file wants whole words and a stream would read odd lengths.
  const int map = ::open("/proc/self/pagemap", O_RDONLY);
  int count = map < 0 ? -1 : 0;
  for (std::size_t i = 0; count >= 0 && i < bytes / page; ++i) {
    std::uint64_t word = 0;
    const auto got = ::pread(map, &word, sizeof(word), static_cast<off_t>((first + i) * 8));
    count = got == 8 ? count + static_cast<int>(word >> 63) : -1;
  }
  if (map >= 0) ::close(map);
  return count;
}

TEST(MappedFile, shows_the_bytes_of_the_file) {
  const TemporaryFolder folder;
  const MappedFile file(folder.write("a", "hello"));
  ASSERT_EQ(file.bytes().size(), 5u);
  EXPECT_EQ(std::to_integer<char>(file.bytes()[4]), 'o');
  EXPECT_TRUE(file.contains(file.bytes().data() + 4));
  EXPECT_FALSE(file.contains(file.bytes().data() + 5));
}

TEST(MappedFile, of_an_empty_file_is_empty) {
  const TemporaryFolder folder;
  const MappedFile file(folder.write("a", ""));
  EXPECT_TRUE(file.bytes().empty());
  EXPECT_FALSE(file.contains(nullptr));
}

TEST(MappedFile, refuses_what_is_missing_or_not_a_regular_file) {
  const TemporaryFolder folder;
  expect_refused([&] { MappedFile file(folder.path("absent")); },
                 {"cannot open", folder.path("absent")});
  expect_refused([&] { MappedFile file(folder.path()); }, {"not a regular file"});
  ASSERT_EQ(::mkfifo(folder.path("pipe").c_str(), 0600), 0);
  expect_refused([&] { MappedFile file(folder.path("pipe")); }, {"not a regular file"});
}

TEST(MappedFile, releases_only_whole_pages_and_reads_them_again) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const TemporaryFolder folder;
  const MappedFile file(folder.write("a", std::string(8 * page, 'x')));
  const std::byte* data = file.bytes().data();
  std::size_t sum = 0;
  const auto touch_all = [&] {
    sum = 0;
    for (std::size_t i = 0; i < 8 * page; ++i) sum += std::to_integer<std::size_t>(data[i]);
  };
  touch_all();
  ASSERT_EQ(sum, 8 * page * 'x');
  if (resident_pages(data, 8 * page) < 0) GTEST_SKIP() << "/proc/self/pagemap tells nothing here";
  ASSERT_EQ(resident_pages(data, 8 * page), 8);
  file.will_need(data + 5, 3 * page);
  file.release(data + 1, 3 * page);  // pages 1 and 2 are whole in [1, 3 pages + 1)
  EXPECT_EQ(resident_pages(data, 8 * page), 6);
  EXPECT_EQ(resident_pages(data, page), 1);
  file.release(data, 8 * page);
  EXPECT_EQ(resident_pages(data, 8 * page), 0);
  touch_all();
  EXPECT_EQ(sum, 8 * page * 'x');
}

}  // namespace
}  // namespace causeway
