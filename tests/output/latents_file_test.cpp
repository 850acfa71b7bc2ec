// Latents files: round trips, repeatability, and what becomes of damaged ones.
#include "output/latents_file.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#include "output/half_types.hpp"
#include "output/test_folder.hpp"
#include "support/compare.hpp"

namespace causeway::testing {
namespace {

constexpr std::array<std::int64_t, 4> small_shape{4, 3, 5, 7};
constexpr std::size_t small_count = 4 * 3 * 5 * 7;

Attributes some_attributes() {
  return {{"id", std::string("fox-01")},
          {"prompt", std::string("Ein Fuchs läuft, 狐")},
          {"seed", std::uint64_t{18446744073709551615u}},
          {"offset", std::int64_t{-3}},
          {"fps", 16.0},
          {"configuration", std::string("video:\n  frames: 81\n")},
          {"empty", std::string()},
          {"scaling", std::string("normalised")},
          {"a", std::string("order is kept, not sorted")},
          {"timings", std::string(R"({"denoise": 1.5})")}};
}

LatentsFile small_file(std::span<const float> values, LatentsType type) {
  return {small_shape, values, type, some_attributes()};
}

class LatentsOfType : public ::testing::TestWithParam<LatentsType> {};

TEST_P(LatentsOfType, come_back_rounded_once_with_all_attributes) {
  const TestFolder folder;
  const auto values = random_normal(small_count, 1);
  write_latents(folder / "a.h5", small_file(values, GetParam()));
  EXPECT_EQ(folder.entries(), 1u);

  const LatentsInfo info = read_latents_info(folder / "a.h5");
  EXPECT_EQ(info.shape, small_shape);
  EXPECT_EQ(name_of(info.type), name_of(GetParam()));
  EXPECT_EQ(info.attributes, some_attributes());

  std::vector<float> expected(values);
  for (float& value : expected) {
    if (GetParam() == LatentsType::f16) {
      value = half_types::from_binary16_word(half_types::binary16_word(value));
    } else if (GetParam() == LatentsType::bf16) {
      value = half_types::from_bfloat16_word(half_types::bfloat16_word(value));
    }
  }
  EXPECT_EQ(read_latents(folder / "a.h5"), expected);
}

TEST(LatentsFile, is_the_same_bytes_at_another_time_and_in_another_thread) {
  const TestFolder folder;
  const auto values = random_normal(small_count, 2);
  write_latents(folder / "a.h5", small_file(values, LatentsType::bf16));
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // HDF5's clock ticks in seconds
  std::thread([&] {
    write_latents(folder / "b.h5", small_file(values, LatentsType::bf16));
  }).join();
  EXPECT_EQ(read_bytes(folder / "a.h5"), read_bytes(folder / "b.h5"));
}

TEST_P(LatentsOfType, with_any_flipped_byte_of_data_are_refused) {
  const TestFolder folder;
  const auto values = random_normal(small_count, 3);
  write_latents(folder / "a.h5", small_file(values, GetParam()));
  const std::string whole = read_bytes(folder / "a.h5");
  // The first stored value, found by its bytes, and some that follow it in the same chunk.
  std::string first(4, '\0');
  std::size_t length = 4;
  if (GetParam() == LatentsType::f32) {
    std::memcpy(first.data(), values.data(), 4);
  } else {
    std::vector<std::uint16_t> words(2);
    for (std::size_t i = 0; i < 2; ++i) {
      words[i] = GetParam() == LatentsType::f16 ? half_types::binary16_word(values[i])
                                                : half_types::bfloat16_word(values[i]);
    }
    std::memcpy(first.data(), words.data(), 4);
    length = 2;
  }
  const std::size_t start = whole.find(first);
  ASSERT_NE(start, std::string::npos);
  for (const std::size_t offset : {std::size_t{0}, length * 17 + 1, length * 4 * 5 * 7 - 1}) {
    std::string damaged = whole;
    damaged[start + offset] = static_cast<char>(damaged[start + offset] ^ 0x10);
    write_bytes(folder / "b.h5", damaged);
    const auto message = message_of(ExitCode::input, [&] { read_latents(folder / "b.h5"); });
    expect_mentions(message, "b.h5");
    expect_mentions(message, "Fletcher32");
  }
}

INSTANTIATE_TEST_SUITE_P(AllTypes, LatentsOfType,
                         ::testing::Values(LatentsType::f32, LatentsType::f16, LatentsType::bf16),
                         [](const auto& type) { return std::string(name_of(type.param)); });

TEST(LatentsFile, keeps_attributes_of_a_megabyte) {
  const TestFolder folder;
  const auto values = random_normal(small_count, 4);
  LatentsFile file = small_file(values, LatentsType::bf16);
  std::string text;
  while (text.size() < 1'000'000) text += "line " + std::to_string(text.size()) + " äöü\n";
  file.attributes = {{"prompt", text}, {"configuration", text + "end"}};
  write_latents(folder / "a.h5", file);
  EXPECT_EQ(read_latents_info(folder / "a.h5").attributes, file.attributes);
}

TEST(LatentsFile, of_one_frame_and_of_many_frames_round_trip) {
  const TestFolder folder;
  for (const std::int64_t frames : {1, 2, 300}) {
    const std::array<std::int64_t, 4> shape{2, frames, 1, 3};
    const auto values = random_normal(static_cast<std::size_t>(6 * frames), 5);
    write_latents(folder / "a.h5", {shape, values, LatentsType::f32, {}});
    EXPECT_EQ(read_latents_info(folder / "a.h5").shape, shape);
    EXPECT_EQ(read_latents(folder / "a.h5"), values);
  }
}

TEST(LatentsFile, with_a_nul_byte_in_its_text_is_refused_by_name) {
  const TestFolder folder;
  const auto values = random_normal(small_count, 6);
  LatentsFile file = small_file(values, LatentsType::f32);
  file.attributes = {{"prompt", std::string("a\0b", 3)}};
  const auto message = message_of(ExitCode::input, [&] { write_latents(folder / "a.h5", file); });
  expect_mentions(message, "'prompt'");
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(LatentsFile, whose_values_do_not_fill_its_shape_is_our_bug) {
  const TestFolder folder;
  const auto values = random_normal(small_count - 1, 6);
  message_of(ExitCode::internal,
             [&] { write_latents(folder / "a.h5", small_file(values, LatentsType::f32)); });
}

TEST(LatentsFile, that_finds_no_room_throws_leaves_nothing_and_can_be_tried_again) {
  const TestFolder folder;
  const auto values = random_normal(small_count, 7);
  std::string message;
  try {
    const FileSizeLimit limit(1500);
    write_latents(folder / "a.h5", small_file(values, LatentsType::f32));
  } catch (const Error& error) {
    message = error.code() == ExitCode::output ? error.what() : "wrong code";
  }
  expect_mentions(message, "a.h5");
  expect_mentions(message, "File too large");
  EXPECT_EQ(folder.entries(), 0u);
  write_latents(folder / "a.h5", small_file(values, LatentsType::f32));
  EXPECT_EQ(read_latents(folder / "a.h5"), values);
}

TEST(LatentsFile, is_written_and_read_by_many_threads_at_once) {
  const TestFolder folder;
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back([&folder, i] {
      const auto values = random_normal(small_count, i);
      for (int round = 0; round < 5; ++round) {
        const auto path = folder / (std::to_string(i) + ".h5");
        write_latents(path, small_file(values, LatentsType::f32));
        EXPECT_EQ(read_latents(path), values);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(LatentsFile, that_is_missing_a_folder_or_garbage_is_an_input_error_with_its_name) {
  const TestFolder folder;
  write_bytes(folder / "empty.h5", "");
  write_bytes(folder / "text.h5", std::string(5000, 't'));
  write_bytes(folder / "signature.h5",
              std::string("\x89HDF\r\n\x1a\n") + std::string(3000, '\x7f'));
  std::filesystem::create_directory(folder / "folder.h5");
  for (const std::string name :
       {"missing.h5", "empty.h5", "text.h5", "signature.h5", "folder.h5"}) {
    expect_mentions(message_of(ExitCode::input, [&] { read_latents_info(folder / name); }), name);
    expect_mentions(message_of(ExitCode::input, [&] { read_latents(folder / name); }), name);
  }
}

// (A cut through the last 24 bytes, the seal of the texts, takes nothing from latents or texts.)
TEST(LatentsFile, cut_off_anywhere_before_its_seal_is_refused) {
  const TestFolder folder;
  const auto values = random_normal(small_count, 8);
  write_latents(folder / "a.h5", small_file(values, LatentsType::f32));
  const std::string whole = read_bytes(folder / "a.h5");
  for (std::size_t length = 0; length < whole.size() - 24; length += 97) {
    write_bytes(folder / "b.h5", whole.substr(0, length));
    message_of(ExitCode::input, [&] { read_latents_info(folder / "b.h5"); });
  }
  write_bytes(folder / "b.h5", whole.substr(0, whole.size() - 25));
  message_of(ExitCode::input, [&] { read_latents_info(folder / "b.h5"); });
}

TEST(LatentsFile, with_any_byte_changed_is_refused_or_reads_as_before) {
  const TestFolder folder;
  const auto values = random_normal(small_count, 9);
  write_latents(folder / "a.h5", small_file(values, LatentsType::bf16));
  const auto expected = read_latents(folder / "a.h5");
  const std::string whole = read_bytes(folder / "a.h5");
  std::mt19937 engine(3);
  int refused = 0;
  for (std::size_t position = 0; position < whole.size(); position += position < 3000 ? 7 : 41) {
    std::string damaged = whole;
    damaged[position] =
        static_cast<char>(damaged[position] ^ static_cast<char>(1 + engine() % 255));
    write_bytes(folder / "b.h5", damaged);
    try {
      EXPECT_EQ(read_latents_info(folder / "b.h5").attributes, some_attributes()) << position;
      EXPECT_EQ(read_latents(folder / "b.h5"), expected) << position;
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(ExitCode::input)) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace causeway::testing
