// resize_frames against the same definition written out in double precision, two-dimensionally.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "output/test_folder.hpp"
#include "output/video_reader.hpp"

namespace causeway::testing {
namespace {

VideoFrames random_frames(std::int64_t count, int height, int width) {
  VideoFrames frames{count, height, width, {24, 1}, {}};
  std::mt19937 engine(5);
  frames.rgb.resize(static_cast<std::size_t>(count * height * width * 3));
  for (auto& value : frames.rgb) value = static_cast<std::uint8_t>(engine() % 256);
  return frames;
}

double triangle(double distance, double reach) {
  return std::max(0.0, 1 - std::abs(distance) / reach);
}

double oracle(const VideoFrames& frames, std::int64_t frame, int row, int column, int channel,
              int height, int width) {
  const double row_scale = double(frames.height) / height,
               column_scale = double(frames.width) / width;
  double sum = 0, weights = 0;
  for (int y = 0; y < frames.height; ++y) {
    for (int x = 0; x < frames.width; ++x) {
      const double weight =
          triangle(y + 0.5 - (row + 0.5) * row_scale, std::max(1.0, row_scale)) *
          triangle(x + 0.5 - (column + 0.5) * column_scale, std::max(1.0, column_scale));
      const auto index = ((frame * frames.height + y) * frames.width + x) * 3 + channel;
      sum += weight * frames.rgb[static_cast<std::size_t>(index)];
      weights += weight;
    }
  }
  return sum / weights;
}

TEST(ResizeFrames, equals_the_triangle_filter_up_and_down) {
  const VideoFrames frames = random_frames(2, 9, 14);
  for (const auto& [height, width] :
       {std::pair{18, 28}, {4, 5}, {9, 3}, {20, 7}, {1, 1}, {9, 14}}) {
    const VideoFrames resized = resize_frames(frames, height, width);
    ASSERT_EQ(resized.rgb.size(), static_cast<std::size_t>(2 * height * width * 3));
    EXPECT_EQ(resized.fps.numerator, 24);
    std::size_t index = 0;
    for (std::int64_t frame = 0; frame < 2; ++frame) {
      for (int row = 0; row < height; ++row) {
        for (int column = 0; column < width; ++column) {
          for (int channel = 0; channel < 3; ++channel) {
            const double expected = oracle(frames, frame, row, column, channel, height, width);
            ASSERT_NEAR(resized.rgb[index++], expected, 0.501) << height << " x " << width;
          }
        }
      }
    }
  }
}

TEST(ResizeFrames, keeps_a_flat_colour_exactly) {
  VideoFrames frames{1, 7, 11, {}, std::vector<std::uint8_t>(7 * 11 * 3, 255)};
  for (const std::uint8_t value : resize_frames(frames, 16, 16).rgb) ASSERT_EQ(value, 255);
}

}  // namespace
}  // namespace causeway::testing
