// How a pixel becomes 8-bit yuv420p: BT.709 in integers, so that every backend gives the same
// bytes.
//
// ITU-R BT.709-6, section 3, on R, G and B of 0…255 (full range), 8 bits, limited range:
//   E_Y  = 0.2126·R + 0.7152·G + 0.0722·B                        Y  =  16 + 219·E_Y/255
//   E_CB = (B − E_Y)/1.8556,  E_CR = (R − E_Y)/1.5748             C  = 128 + 224·E_C/255
// (2·(1 − 0.0722) and 2·(1 − 0.2126)), rounded to the nearest integer, halves up.
//
// Chroma is sited left (H.264's and H.265's chroma_sample_loc_type 0): at the even columns, midway
// between two rows. Its R, G and B are filtered before the matrix: [1 2 1]/4 around the even
// column, the first column repeated to the left of it, and the mean of the two rows.
//
// In an unnamed namespace, as this is compiled once per instruction set (see cpu_backend.hpp), and
// constexpr, so that it runs on the device, too.
#pragma once

#include <cstdint>

namespace causeway::kernels {
namespace {

/// 255·(clamp(x, −1, 1)·0.5 + 0.5), which the caller truncates. A NaN fails the first comparison
/// and becomes 0. `Value` is float or a vector of floats.
template <class Value>
constexpr Value scaled_to_bytes(Value x) {
  const Value low = Value{} - 1.0f, high = Value{} + 1.0f;
  Value v = x > low ? x : low;
  v = v < high ? v : high;
  return (v * 0.5f + 0.5f) * 255.0f;
}

constexpr int fraction_bits = 20;  ///< of a weight
constexpr int filter_bits = 3;     ///< the filter's weights, [1 2 1] times [1 1], add up to 2³

constexpr std::int32_t to_fixed(double weight) {
  return static_cast<std::int32_t>(weight * (1 << fraction_bits) + (weight < 0 ? -0.5 : 0.5));
}

// The weights of R, G and B: rows of the matrix, times the range. G's takes what rounding the
// others left, so that white is 235 and grey has no chroma.
constexpr double k_r = 0.2126, k_b = 0.0722;
struct Luma {
  static constexpr int bits = fraction_bits, offset = 16;
  static constexpr std::int32_t r = to_fixed(219 * k_r / 255), b = to_fixed(219 * k_b / 255),
                                g = to_fixed(219.0 / 255) - r - b;
};
struct Cb {
  static constexpr int bits = fraction_bits + filter_bits, offset = 128;
  static constexpr std::int32_t r = to_fixed(-112 * k_r / (1 - k_b) / 255),
                                b = to_fixed(112.0 / 255), g = -r - b;
};
struct Cr {
  static constexpr int bits = fraction_bits + filter_bits, offset = 128;
  static constexpr std::int32_t r = to_fixed(112.0 / 255),
                                b = to_fixed(-112 * k_b / (1 - k_r) / 255), g = -r - b;
};

/// A sample of a plane from R, G and B of 0…255 for Luma, filtered ones of 0…8·255 for Cb and Cr.
template <class Plane>
constexpr std::uint8_t sample_of(std::int32_t r, std::int32_t g, std::int32_t b) {
  const std::int32_t sum = Plane::r * r + Plane::g * g + Plane::b * b;
  constexpr std::int32_t offset = (Plane::offset << Plane::bits) + (1 << (Plane::bits - 1));
  return static_cast<std::uint8_t>((sum + offset) >> Plane::bits);
}

// Nothing is clamped after the channels are: the weights' signs put the extremes in the corners,
// which are the limits themselves. Evaluated here, an overflow would not compile; the largest sum
// is below 240.5·2²³ < 2³¹.
static_assert(sample_of<Luma>(0, 0, 0) == 16 && sample_of<Luma>(255, 255, 255) == 235);
static_assert(sample_of<Cb>(0, 0, 2040) == 240 && sample_of<Cb>(2040, 2040, 0) == 16);
static_assert(sample_of<Cr>(2040, 0, 0) == 240 && sample_of<Cr>(0, 2040, 2040) == 16);

}  // namespace
}  // namespace causeway::kernels
