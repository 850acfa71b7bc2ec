// Pictures for tests of videos: as RGB, and as the planes that are encoded.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "kernels/kernels.hpp"
#include "support/yuv420p_oracle.hpp"

namespace causeway::testing {

/// A smooth picture that moves: RGB, [height, width, 3].
inline std::vector<std::uint8_t> smooth_frame(int frame, int height, int width) {
  std::vector<std::uint8_t> rgb;
  rgb.reserve(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double u = (x + 2.0 * frame) / width, v = (y + 1.0 * frame) / height;
      rgb.push_back(static_cast<std::uint8_t>(127.5 + 100 * std::sin(3 * u + v)));
      rgb.push_back(static_cast<std::uint8_t>(127.5 + 100 * std::sin(2 * v - u)));
      rgb.push_back(static_cast<std::uint8_t>(127.5 + 100 * std::cos(2 * u * v)));
    }
  }
  return rgb;
}

/// The planes that the CPU backend makes of rgb [height, width, 3].
inline std::vector<std::uint8_t> yuv420p_of(const std::vector<std::uint8_t>& rgb, int height,
                                            int width) {
  std::vector<float> frame;
  for (const std::uint8_t byte : rgb) frame.push_back(channel_of_byte(byte));
  std::vector<std::uint8_t> planes(rgb.size() / 2);
  const auto size = static_cast<std::int64_t>(planes.size());
  const auto status = kernels::cpu_kernels()->frames_to_yuv420p(
      const_view_of(frame.data(), ElementType::f32, {1, height, width, 3}),
      view_of(planes.data(), ElementType::u8, {1, size}), nullptr);
  if (status != kernels::Status::ok)
    throw std::invalid_argument("no frame of even height and width");
  return planes;
}

/// `smooth_frame`, ready for a VideoWriter.
inline std::vector<std::uint8_t> smooth_planes(int frame, int height, int width) {
  return yuv420p_of(smooth_frame(frame, height, width), height, width);
}

}  // namespace causeway::testing
