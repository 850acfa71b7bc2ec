// Files of AtomicFile are whole under their name or not there at all.
#include "output/atomic_file.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "output/test_folder.hpp"

namespace causeway::testing {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(AtomicFile, is_hidden_beside_its_name_until_it_is_published) {
  const TestFolder folder;
  AtomicFile file(folder / "video.mp4");
  file.write(bytes_of("first "));
  file.write(bytes_of("second"));
  EXPECT_FALSE(std::filesystem::exists(folder / "video.mp4"));
  EXPECT_EQ(file.temporary().parent_path(), folder.path());
  const std::string hidden = file.temporary().filename().string();
  EXPECT_EQ(hidden.rfind(".video.mp4.tmp-", 0), 0u) << hidden;
  expect_mentions(hidden, std::to_string(::getpid()));
  file.publish();
  EXPECT_EQ(read_bytes(folder / "video.mp4"), "first second");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, that_is_not_published_vanishes_and_leaves_the_old_file) {
  const TestFolder folder;
  write_text_atomically(folder / "report.json", "old");
  {
    AtomicFile file(folder / "report.json");
    file.write(bytes_of("half of the ne"));
    file.sync();
    EXPECT_EQ(folder.entries(), 2u);
  }
  EXPECT_EQ(folder.entries(), 1u);
  EXPECT_EQ(read_bytes(folder / "report.json"), "old");
}

TEST(AtomicFile, replaces_a_file_of_its_name) {
  const TestFolder folder;
  write_text_atomically(folder / "report.json", "old and longer");
  write_text_atomically(folder / "report.json", "new");
  EXPECT_EQ(read_bytes(folder / "report.json"), "new");
}

TEST(AtomicFile, moves_with_its_temporary) {
  const TestFolder folder;
  AtomicFile first(folder / "a");
  first.write(bytes_of("a"));
  AtomicFile second(std::move(first));
  AtomicFile third(folder / "b");
  third = std::move(second);  // what third held is discarded
  EXPECT_EQ(folder.entries(), 1u);
  third.publish();
  EXPECT_EQ(read_bytes(folder / "a"), "a");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, takes_names_as_long_as_the_file_system_does) {
  const TestFolder folder;
  const std::string longest(255, 'n');
  write_text_atomically(folder / longest, "text");
  EXPECT_EQ(read_bytes(folder / longest), "text");
  const auto message = message_of(ExitCode::output,
                                  [&] { write_text_atomically(folder / (longest + "n"), "text"); });
  expect_mentions(message, "shorter name");
}

TEST(AtomicFile, of_one_name_in_several_threads_ends_as_one_of_them) {
  const TestFolder folder;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&folder, i] {
      const std::string text(1000, static_cast<char>('a' + i));
      for (int round = 0; round < 5; ++round) write_text_atomically(folder / "shared", text);
    });
  }
  for (auto& thread : threads) thread.join();
  const std::string text = read_bytes(folder / "shared");
  EXPECT_EQ(text, std::string(1000, text.at(0)));
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, says_that_the_folder_is_missing) {
  const TestFolder folder;
  const auto message =
      message_of(ExitCode::output, [&] { AtomicFile file(folder / "absent/video.mp4"); });
  expect_mentions(message, "absent/");
  expect_mentions(message, "No such file or directory");
  expect_mentions(message, "the folder is not there");
}

TEST(AtomicFile, says_that_a_folder_has_its_name) {
  const TestFolder folder;
  make_directories(folder / "taken/inside");
  const auto message =
      message_of(ExitCode::output, [&] { write_text_atomically(folder / "taken", "text"); });
  expect_mentions(message, "'" + (folder / "taken").string() + "'");
  expect_mentions(message, "choose another output folder");
  EXPECT_EQ(folder.entries(), 1u);  // the temporary is gone too
}

TEST(AtomicFile, that_finds_no_room_throws_and_leaves_nothing) {
  const TestFolder folder;
  const std::string text(1001, 'x');
  std::string message;
  try {
    const FileSizeLimit limit(1000);
    write_text_atomically(folder / "big", text);
  } catch (const Error& error) {
    message = error.code() == ExitCode::output ? error.what() : "wrong code";
  }
  expect_mentions(message, "File too large");
  expect_mentions(message, "ulimit -f");
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(MakeDirectories, makes_parents_and_accepts_what_is_there) {
  const TestFolder folder;
  make_directories(folder / "a/b/c");
  make_directories(folder / "a/b/c/");
  make_directories(folder / "a/d/");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b/c"));
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/d"));
}

TEST(MakeDirectories, works_when_all_threads_make_the_same) {
  const TestFolder folder;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&folder] {
      for (int k = 0; k < 20; ++k) make_directories(folder / ("x/y/" + std::to_string(k)));
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(std::filesystem::is_directory(folder / "x/y/19"));
}

TEST(MakeDirectories, says_that_a_file_is_in_the_way) {
  const TestFolder folder;
  write_bytes(folder / "file", "");
  for (const char* name : {"file", "file/inside"}) {
    const auto message = message_of(ExitCode::output, [&] { make_directories(folder / name); });
    expect_mentions(message, "Not a directory");
  }
}

}  // namespace
}  // namespace causeway::testing
