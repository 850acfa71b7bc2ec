// read_frames: our own videos come back, and bad files are refused by name. Other people's files,
// colour tags and orientations are checked by check_reader.py against ffmpeg.
#include "output/video_reader.hpp"

#include <gtest/gtest.h>

#include <random>

#include "output/pictures.hpp"
#include "output/test_folder.hpp"
#include "support/compare.hpp"

namespace causeway::testing {
namespace {

constexpr int height = 64, width = 96;

void write_clip(const std::filesystem::path& path, int frames, FrameRate fps = {16, 1}) {
  VideoSettings settings;
  settings.path = path;
  settings.width = width;
  settings.height = height;
  settings.crf = 10;
  settings.fps = fps;
  VideoWriter writer(settings);
  for (int i = 0; i < frames; ++i) writer.write(smooth_planes(i, height, width).data());
  writer.publish();
}

TEST(ReadFrames, gives_back_what_was_written) {
  const TestFolder folder;
  write_clip(folder / "a.mp4", 9, {30000, 1001});
  const VideoFrames frames = read_frames(folder / "a.mp4", 100);
  EXPECT_EQ(frames.count, 9);
  EXPECT_EQ(frames.height, height);
  EXPECT_EQ(frames.width, width);
  EXPECT_EQ(frames.fps.numerator, 30000);
  EXPECT_EQ(frames.fps.denominator, 1001);
  for (int i = 0; i < 9; ++i) {
    const auto expected = smooth_frame(i, height, width);
    const std::size_t start = static_cast<std::size_t>(i) * expected.size();
    for (std::size_t k = 0; k < expected.size(); ++k) {
      ASSERT_NEAR(frames.rgb[start + k], expected[k], 8) << "frame " << i << " byte " << k;
    }
  }
}

TEST(ReadFrames, keeps_the_colour_of_a_flat_picture) {
  const TestFolder folder;
  VideoSettings settings;
  settings.path = folder / "a.mp4";
  settings.width = settings.height = 64;
  settings.crf = 1;
  std::vector<std::uint8_t> rgb;
  for (int i = 0; i < 64 * 64; ++i) rgb.insert(rgb.end(), {200, 60, 20});
  VideoWriter writer(settings);
  writer.write(yuv420p_of(rgb, 64, 64).data());
  writer.publish();
  const VideoFrames frames = read_frames(folder / "a.mp4", 1);
  for (std::size_t i = 0; i < frames.rgb.size(); ++i) ASSERT_NEAR(frames.rgb[i], rgb[i], 2);
}

TEST(ReadFrames, stops_at_the_number_asked_for) {
  const TestFolder folder;
  write_clip(folder / "a.mp4", 9);
  EXPECT_EQ(read_frames(folder / "a.mp4", 4).count, 4);
  EXPECT_EQ(read_frames(folder / "a.mp4", 1).rgb.size(),
            static_cast<std::size_t>(height * width * 3));
}

std::string little_endian(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

// A second of silence: WAVE with 8000 samples of 8 bits.
std::string wave_file() {
  const std::string format = little_endian(1, 2) + little_endian(1, 2) + little_endian(8000, 4) +
                             little_endian(8000, 4) + little_endian(1, 2) + little_endian(8, 2);
  return "RIFF" + little_endian(36 + 8000, 4) + "WAVEfmt " + little_endian(16, 4) + format +
         "data" + little_endian(8000, 4) + std::string(8000, '\x80');
}

TEST(ReadFrames, refuses_what_is_no_video_by_name) {
  const TestFolder folder;
  std::mt19937 engine(1);
  std::string noise(20000, '\0');
  for (char& byte : noise) byte = static_cast<char>(engine());
  write_bytes(folder / "empty.mp4", "");
  write_bytes(folder / "noise.mp4", noise);
  write_bytes(folder / "text.mp4", std::string(3000, 't'));
  write_bytes(folder / "audio.wav", wave_file());
  std::filesystem::create_directory(folder / "folder.mp4");
  for (const std::string name :
       {"missing.mp4", "empty.mp4", "noise.mp4", "text.mp4", "audio.wav", "folder.mp4"}) {
    const auto message = message_of(ExitCode::input, [&] { read_frames(folder / name, 10); });
    expect_mentions(message, name);
  }
  expect_mentions(message_of(ExitCode::input, [&] { read_frames(folder / "audio.wav", 10); }),
                  "no pictures");
}

TEST(ReadFrames, refuses_pictures_of_absurd_size) {
  const TestFolder folder;
  // A PGM header alone: the picture would have 20000 x 20000 pixels.
  write_bytes(folder / "huge.pgm", "P5\n20000 20000\n255\n" + std::string(1000, 'x'));
  expect_mentions(message_of(ExitCode::input, [&] { read_frames(folder / "huge.pgm", 1); }),
                  "huge.pgm");
}

TEST(ReadFrames, opens_no_file_that_another_file_names) {
  const TestFolder folder;
  write_clip(folder / "a.mp4", 3);
  const std::string target = (folder / "a.mp4").string();
  write_bytes(folder / "list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://" +
                                        target + "\n#EXT-X-ENDLIST\n");
  write_bytes(folder / "list.ffconcat", "ffconcat version 1.0\nfile " + target + "\n");
  for (const std::string name : {"list.m3u8", "list.ffconcat"}) {
    expect_mentions(message_of(ExitCode::input, [&] { read_frames(folder / name, 10); }), name);
  }
}

TEST(ReadFrames, refuses_a_video_that_is_cut_off) {
  const TestFolder folder;
  write_clip(folder / "a.mp4", 40);
  const std::string whole = read_bytes(folder / "a.mp4");
  for (const double part : {0.3, 0.6, 0.9, 0.99}) {
    write_bytes(folder / "b.mp4",
                whole.substr(0, static_cast<std::size_t>(part * double(whole.size()))));
    expect_mentions(message_of(ExitCode::input, [&] { read_frames(folder / "b.mp4", 100); }),
                    "b.mp4");
  }
}

TEST(ReadFrames, survives_damage_anywhere) {
  const TestFolder folder;
  write_clip(folder / "a.mp4", 4);
  const std::string whole = read_bytes(folder / "a.mp4");
  std::mt19937 engine(2);
  int refused = 0;
  for (int round = 0; round < 150; ++round) {
    std::string damaged = whole;
    damaged[engine() % whole.size()] = static_cast<char>(engine());
    write_bytes(folder / "b.mp4", damaged);
    try {
      read_frames(folder / "b.mp4", 10);
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(ExitCode::input)) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace causeway::testing
