// Resizing of RGB frames in two passes, first along the width, then along the height.
#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "output/video_reader.hpp"

namespace causeway {
namespace {

// Which inputs, with which weights, make one output sample of a line.
struct Tap {
  int first;
  std::vector<float> weights;  // sum 1
};

// Pixel centres are at i + 1/2; the triangle reaches one output or one input pixel, whichever is
// wider.
std::vector<Tap> triangle_taps(int from, int to) {
  const double scale = static_cast<double>(from) / to;
  const double reach = std::max(1.0, scale);
  std::vector<Tap> taps(static_cast<std::size_t>(to));
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(std::floor(centre - reach)));
    const int last = std::min(from - 1, static_cast<int>(std::ceil(centre + reach)));
    std::vector<double> weights;
    double sum = 0;
    for (int j = first; j <= last; ++j) {
      weights.push_back(std::max(0.0, 1.0 - std::abs(j + 0.5 - centre) / reach));
      sum += weights.back();
    }
    Tap& tap = taps[static_cast<std::size_t>(i)];
    tap.first = first;
    for (const double weight : weights) tap.weights.push_back(static_cast<float>(weight / sum));
  }
  return taps;
}

// [height, width, 3] bytes to [height, columns, 3] floats.
void resize_rows(const std::uint8_t* from, int height, int width, const std::vector<Tap>& columns,
                 std::vector<float>& to) {
  float* target = to.data();
  for (int row = 0; row < height; ++row) {
    const std::uint8_t* line = from + std::size_t(row) * std::size_t(width) * 3;
    for (const Tap& tap : columns) {
      float sum[3] = {0, 0, 0};
      const std::uint8_t* pixel = line + std::size_t(tap.first) * 3;
      for (const float weight : tap.weights) {
        for (int channel = 0; channel < 3; ++channel) sum[channel] += weight * *pixel++;
      }
      target = std::copy_n(sum, 3, target);
    }
  }
}

// [height, line] floats to [rows, line] bytes.
void resize_columns(const std::vector<float>& from, std::size_t line, const std::vector<Tap>& rows,
                    std::uint8_t* to) {
  std::vector<float> sum(line);
  for (const Tap& tap : rows) {
    std::fill(sum.begin(), sum.end(), 0.5f);  // rounds to nearest when cut
    const float* source = from.data() + std::size_t(tap.first) * line;
    for (const float weight : tap.weights) {
      for (std::size_t i = 0; i < line; ++i) sum[i] += weight * source[i];
      source += line;
    }
    for (const float value : sum)
      *to++ = static_cast<std::uint8_t>(std::clamp(value, 0.0f, 255.0f));
  }
}

}  // namespace

VideoFrames resize_frames(const VideoFrames& frames, int height, int width) {
  expects(height > 0 && width > 0, "frames are resized to positive sides");
  expects(frames.rgb.size() == std::size_t(frames.count) * std::size_t(frames.height) *
                                   std::size_t(frames.width) * 3,
          "frames fill their shape");
  if (height == frames.height && width == frames.width) return frames;
  const auto columns = triangle_taps(frames.width, width);
  const auto rows = triangle_taps(frames.height, height);
  const std::size_t line = std::size_t(width) * 3;
  const std::size_t source_size = std::size_t(frames.height) * std::size_t(frames.width) * 3;
  const std::size_t target_size = std::size_t(height) * line;
  VideoFrames resized{frames.count, height, width, frames.fps, {}};
  resized.rgb.resize(std::size_t(frames.count) * target_size);
  std::vector<float> between(std::size_t(frames.height) * line);
  for (std::size_t frame = 0; frame < std::size_t(frames.count); ++frame) {
    resize_rows(frames.rgb.data() + frame * source_size, frames.height, frames.width, columns,
                between);
    resize_columns(between, line, rows, resized.rgb.data() + frame * target_size);
  }
  return resized;
}

}  // namespace causeway
