// VideoWriter: the same bytes everywhere, clear refusals, and files that are whole or absent. What
// is inside the files is checked by check_video.py with ffprobe.
#include "output/video_writer.hpp"

#include <gtest/gtest.h>

#include <thread>

extern "C" {
#include <libavutil/cpu.h>
}

#include "output/pictures.hpp"
#include "output/test_folder.hpp"
#include "output/video_codecs.hpp"
#include "output/video_reader.hpp"

namespace causeway::testing {
namespace {

constexpr int height = 72, width = 104, frame_count = 14;

VideoSettings settings_for(const std::filesystem::path& path,
                           const std::string& codec = "libx264") {
  VideoSettings settings;
  settings.path = path;
  settings.width = width;
  settings.height = height;
  settings.codec = codec;
  settings.crf = codec == "libsvtav1" ? 30 : 20;
  settings.preset = codec == "libsvtav1" ? "10" : "fast";
  return settings;
}

void write_clip(const VideoSettings& settings) {
  VideoWriter writer(settings);
  for (int i = 0; i < frame_count; ++i) writer.write(smooth_planes(i, height, width).data());
  EXPECT_EQ(writer.frames(), frame_count);
  writer.publish();
}

class VideoOfCodec : public ::testing::TestWithParam<std::string> {};

TEST_P(VideoOfCodec, is_the_same_bytes_in_any_thread_and_beside_others) {
  const TestFolder folder;
  write_clip(settings_for(folder / "a.mp4", GetParam()));
  std::vector<std::thread> threads;
  for (const char* name : {"b.mp4", "c.mp4", "d.mp4"}) {
    threads.emplace_back([&, name] { write_clip(settings_for(folder / name, GetParam())); });
  }
  for (auto& thread : threads) thread.join();
  const std::string expected = read_bytes(folder / "a.mp4");
  EXPECT_GT(expected.size(), 500u);
  for (const char* name : {"b.mp4", "c.mp4", "d.mp4"}) {
    EXPECT_TRUE(read_bytes(folder / name) == expected) << name;
  }
  EXPECT_EQ(folder.entries(), 4u);
}

TEST_P(VideoOfCodec, is_the_same_bytes_without_vector_instructions_in_libav) {
  const TestFolder folder;
  write_clip(settings_for(folder / "a.mp4", GetParam()));
  av_force_cpu_flags(0);
  write_clip(settings_for(folder / "b.mp4", GetParam()));
  av_force_cpu_flags(-1);
  EXPECT_TRUE(read_bytes(folder / "a.mp4") == read_bytes(folder / "b.mp4"));
}

TEST_P(VideoOfCodec, does_not_depend_on_where_the_frames_lie_in_memory) {
  const TestFolder folder;
  write_clip(settings_for(folder / "a.mp4", GetParam()));
  VideoWriter writer(settings_for(folder / "b.mp4", GetParam()));
  for (int i = 0; i < frame_count; ++i) {
    auto planes = smooth_planes(i, height, width);
    planes.insert(planes.begin(), static_cast<std::size_t>(1 + i % 5), 0);
    writer.write(planes.data() + 1 + i % 5);
  }
  writer.publish();
  EXPECT_TRUE(read_bytes(folder / "a.mp4") == read_bytes(folder / "b.mp4"));
}

// Repeated, so that what earlier encoders leave in the heap shows.
TEST_P(VideoOfCodec, takes_clips_of_one_to_four_frames) {
  const TestFolder folder;
  for (int repeat = 0; repeat < 8; ++repeat) {
    for (int frames = 1; frames <= 4; ++frames) {
      VideoWriter writer(settings_for(folder / "a.mp4", GetParam()));
      for (int i = 0; i < frames; ++i) writer.write(smooth_planes(i, height, width).data());
      writer.publish();
      EXPECT_EQ(read_frames(folder / "a.mp4", 10).count, frames);
    }
  }
}

TEST_P(VideoOfCodec, refuses_crf_and_presets_that_do_not_exist) {
  const TestFolder folder;
  auto settings = settings_for(folder / "a.mp4", GetParam());
  settings.crf = 64;
  auto message = message_of(ExitCode::usage, [&] { VideoWriter writer(settings); });
  expect_mentions(message, "crf 64");
  expect_mentions(message, GetParam());
  settings.crf = -1;
  message_of(ExitCode::usage, [&] { VideoWriter writer(settings); });
  settings.crf = 30;
  settings.preset = "warp";
  message = message_of(ExitCode::usage, [&] { VideoWriter writer(settings); });
  expect_mentions(message, "'warp'");
  expect_mentions(message, GetParam() == "libsvtav1" ? "8, 7" : "medium");
  EXPECT_EQ(folder.entries(), 0u);
}

TEST_P(VideoOfCodec, refuses_options_that_the_encoder_does_not_have) {
  const TestFolder folder;
  auto settings = settings_for(folder / "a.mp4", GetParam());
  settings.options = {{"no-such-option", "1"}};
  expect_mentions(message_of(ExitCode::usage, [&] { VideoWriter writer(settings); }),
                  "'no-such-option'");
  const std::string parameters = GetParam().substr(3) + "-params";  // "x264-params"
  settings.options = {{parameters, "no-such-parameter=1"}};
  expect_mentions(message_of(ExitCode::usage, [&] { VideoWriter writer(settings); }), parameters);
  settings.options = {{"g", "often"}};
  expect_mentions(message_of(ExitCode::usage, [&] { VideoWriter writer(settings); }), GetParam());
  settings.options = {{"crf", "4"}};
  expect_mentions(message_of(ExitCode::usage, [&] { VideoWriter writer(settings); }), "'crf'");
  settings.options = {{"threads", "4"}};
  expect_mentions(message_of(ExitCode::usage, [&] { VideoWriter writer(settings); }), "'threads'");
  EXPECT_EQ(folder.entries(), 0u);
}

INSTANTIATE_TEST_SUITE_P(AllCodecs, VideoOfCodec,
                         ::testing::Values("libx264", "libx265", "libsvtav1"),
                         [](const auto& codec) { return codec.param; });

TEST(VideoWriter, gives_the_same_h264_without_vector_instructions_in_x264) {
  const TestFolder folder;
  write_clip(settings_for(folder / "a.mp4"));
  for (const char* instructions : {"asm=0", "asm=SSE2"}) {
    auto settings = settings_for(folder / "b.mp4");
    settings.options = {{"x264-params", instructions}};
    write_clip(settings);
    EXPECT_TRUE(read_bytes(folder / "a.mp4") == read_bytes(folder / "b.mp4")) << instructions;
  }
}

TEST(VideoWriter, passes_further_options_on_and_keeps_its_own) {
  const TestFolder folder;
  write_clip(settings_for(folder / "a.mp4"));
  auto settings = settings_for(folder / "b.mp4");
  settings.options = {{"x264-params", "cpu-independent=0:threads=4:aq-mode=3"}, {"tune", "film"}};
  write_clip(settings);
  const std::string bytes = read_bytes(folder / "b.mp4");
  EXPECT_NE(bytes, read_bytes(folder / "a.mp4"));
  expect_mentions(bytes, "aq=3:");  // x264 writes its options into the stream
  expect_mentions(bytes, " threads=1 ");
}

TEST(VideoWriter, lists_the_codecs_at_hand_when_asked_for_another) {
  const TestFolder folder;
  for (const char* codec : {"h264", "", "mpeg4", "libx266"}) {
    auto settings = settings_for(folder / "a.mp4");
    settings.codec = codec;
    const auto message = message_of(ExitCode::usage, [&] { VideoWriter writer(settings); });
    expect_mentions(message, "'" + std::string(codec) + "'");
    expect_mentions(message, available_video_codecs());
  }
  expect_mentions(available_video_codecs(), "libx264");
  expect_mentions(output_capabilities(), "HDF5 1.");
  expect_mentions(output_capabilities(), available_video_codecs());
}

TEST(VideoWriter, refuses_sizes_and_rates_that_cannot_be) {
  const TestFolder folder;
  for (const auto& [bad_width, bad_height] :
       {std::pair{103, 72}, {104, 71}, {0, 72}, {104, -2}, {16386, 72}}) {
    auto settings = settings_for(folder / "a.mp4");
    settings.width = bad_width;
    settings.height = bad_height;
    const auto message = message_of(ExitCode::usage, [&] { VideoWriter writer(settings); });
    expect_mentions(message, std::to_string(bad_width) + " x " + std::to_string(bad_height));
  }
  for (const FrameRate bad : {FrameRate{0, 1}, {16, 0}, {-16, 1}, {100000, 1}}) {
    auto settings = settings_for(folder / "a.mp4");
    settings.fps = bad;
    expect_mentions(message_of(ExitCode::usage, [&] { VideoWriter writer(settings); }),
                    "frames per second");
  }
  EXPECT_EQ(folder.entries(), 0u);
}

TEST_P(VideoOfCodec, shows_its_file_only_when_published) {
  const TestFolder folder;
  { const VideoWriter writer(settings_for(folder / "a.mp4", GetParam())); }
  EXPECT_EQ(folder.entries(), 0u);
  {
    VideoWriter writer(settings_for(folder / "a.mp4", GetParam()));
    for (int i = 0; i < frame_count; ++i) writer.write(smooth_planes(i, height, width).data());
    writer.finish();
    EXPECT_FALSE(std::filesystem::exists(folder / "a.mp4"));
    EXPECT_EQ(folder.entries(), 1u);
  }
  EXPECT_EQ(folder.entries(), 0u);
  {
    VideoWriter writer(settings_for(folder / "a.mp4", GetParam()));
    writer.write(smooth_planes(0, height, width).data());
  }
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(VideoWriter, without_a_frame_has_nothing_to_publish) {
  const TestFolder folder;
  {
    VideoWriter writer(settings_for(folder / "a.mp4"));
    expect_mentions(message_of(ExitCode::output, [&] { writer.publish(); }),
                    "no frame was written");
  }
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(VideoWriter, writes_to_names_that_look_like_protocols_or_patterns) {
  const TestFolder folder;
  for (const char* name : {"http:a.mp4", "a%03d.mp4", "a b'ü.mp4", "a.unknown"}) {
    write_clip(settings_for(folder / name));
    EXPECT_EQ(read_frames(folder / name, 3).count, 3) << name;
  }
}

TEST(VideoWriter, that_finds_no_room_throws_and_leaves_nothing) {
  const TestFolder folder;
  for (const rlim_t room : {rlim_t{0}, rlim_t{100}, rlim_t{3000}}) {
    std::string message;
    try {
      const FileSizeLimit limit(room);
      write_clip(settings_for(folder / "a.mp4"));
    } catch (const Error& error) {
      message = error.code() == ExitCode::output ? error.what() : "wrong code";
    }
    expect_mentions(message, "a.mp4");
    expect_mentions(message, "File too large");
    EXPECT_EQ(folder.entries(), 0u);
  }
}

TEST(VideoWriter, says_that_the_folder_is_missing) {
  const TestFolder folder;
  expect_mentions(message_of(ExitCode::output,
                             [&] { VideoWriter writer(settings_for(folder / "absent/a.mp4")); }),
                  "No such file or directory");
}

}  // namespace
}  // namespace causeway::testing
