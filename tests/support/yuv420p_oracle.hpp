// 8-bit yuv420p from its definition, in double precision and without rounding.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace causeway::testing {

/// A channel of a frame as the byte that it stands for: −1…1 to 0…255, cut off; NaN to 0.
inline int byte_of_channel(float x) {
  if (std::isnan(x)) return 0;
  return static_cast<int>((std::fmin(std::fmax(x, -1.0f), 1.0f) * 0.5f + 0.5f) * 255.0f);
}

/// Y, Cb and Cr of ITU-R BT.709-6 in limited range; r, g and b of 0…1. Everything follows from Kr
/// and Kb.
struct YCbCr {
  YCbCr(double r, double g, double b) {
    constexpr double kr = 0.2126, kb = 0.0722;
    const double luminance = kr * r + (1 - kr - kb) * g + kb * b;
    y = 16 + 219 * luminance;
    cb = 128 + 224 * (b - luminance) / (2 * (1 - kb));
    cr = 128 + 224 * (r - luminance) / (2 * (1 - kr));
  }
  double y, cb, cr;
};

/// The planes Y [h, w], U and V [h/2, w/2] of one frame, rgb [h, w, 3] of 0…255. Chroma of every
/// pixel first; then, for each sample, the mean of its two rows, and of the columns around its own,
/// which is an even one, with the weights 1/4, 1/2 and 1/4. The first column stands for one left of
/// it, too.
inline std::vector<double> yuv420p_of_bytes(const std::vector<int>& rgb, std::int64_t height,
                                            std::int64_t width) {
  const auto pixel = [&](std::int64_t row, std::int64_t column) {
    const int* at = rgb.data() + (row * width + std::max<std::int64_t>(column, 0)) * 3;
    return YCbCr(at[0] / 255.0, at[1] / 255.0, at[2] / 255.0);
  };
  const auto chroma = [&](std::int64_t row, std::int64_t column, double YCbCr::*plane) {
    double sum = 0;
    for (const std::int64_t line : {row, row + 1}) {
      sum += 0.25 * pixel(line, column - 1).*plane + 0.5 * pixel(line, column).*plane +
             0.25 * pixel(line, column + 1).*plane;
    }
    return sum / 2;
  };
  std::vector<double> planes;
  for (std::int64_t row = 0; row < height; ++row) {
    for (std::int64_t column = 0; column < width; ++column) planes.push_back(pixel(row, column).y);
  }
  for (const auto plane : {&YCbCr::cb, &YCbCr::cr}) {
    for (std::int64_t row = 0; row < height; row += 2) {
      for (std::int64_t column = 0; column < width; column += 2)
        planes.push_back(chroma(row, column, plane));
    }
  }
  return planes;
}

/// The planes of one frame, x [h, w, 3] of −1…1 from element `first` on.
template <class Values>
std::vector<double> yuv420p_of_frame(const Values& x, std::size_t first, std::int64_t height,
                                     std::int64_t width) {
  std::vector<int> rgb(static_cast<std::size_t>(height * width * 3));
  for (std::size_t i = 0; i < rgb.size(); ++i) rgb[i] = byte_of_channel(x[first + i]);
  return yuv420p_of_bytes(rgb, height, width);
}

/// Element of −1…1 that stands for this byte: amid the values that are cut off to it.
inline float channel_of_byte(int byte) { return (static_cast<float>(byte) + 0.5f) / 127.5f - 1.0f; }

}  // namespace causeway::testing
