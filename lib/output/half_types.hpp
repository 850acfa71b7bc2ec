// Rounding of float32 latents to the 16-bit words of bfloat16 and IEEE binary16, and back, in loops
// that compilers vectorise; lib/output stands on lib/core alone, so these are not the kernels' own.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace causeway::half_types {

/// float32 to bfloat16, nearest even; infinities stay, NaN becomes quiet and keeps its sign.
inline std::uint16_t bfloat16_word(float value) {
  const auto word = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (word + 0x7fffu + ((word >> 16) & 1u)) >> 16;
  const std::uint32_t quiet = (word >> 16) | 0x0040u;
  return static_cast<std::uint16_t>((word & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

inline float from_bfloat16_word(std::uint16_t word) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(word) << 16);
}

/// float32 to binary16, nearest even; past 65504 (by rounding) infinity, NaN becomes quiet.
inline std::uint16_t binary16_word(float value) {
  const auto word = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = word & 0x7fffffffu;
  const std::uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  // The sum's last mantissa bit is worth 2^-24, the step of subnormal halves: the adder rounds.
  const std::uint32_t subnormal =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  std::uint32_t half = magnitude < 0x38800000u ? subnormal : normal;
  half = magnitude >= 0x477ff000u ? 0x7c00u : half;
  half = magnitude > 0x7f800000u ? 0x7e00u : half;
  return static_cast<std::uint16_t>(half | ((word >> 16) & 0x8000u));
}

inline float from_binary16_word(std::uint16_t half) {
  const std::uint32_t magnitude = half & 0x7fffu;
  // Read as a float with the exponent 112 too small, then scaled: exact, subnormals included.
  const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  const std::uint32_t special = (magnitude << 13) | 0x7f800000u;
  const std::uint32_t word = magnitude >= 0x7c00u ? special : std::bit_cast<std::uint32_t>(scaled);
  return std::bit_cast<float>(word | (static_cast<std::uint32_t>(half & 0x8000u) << 16));
}

/// Applies one of the conversions above to a whole array; `to` is as long as `from`.
template <class From, class To, class Convert>
void convert_all(std::span<const From> from, std::span<To> to, Convert convert) {
  const From* source = from.data();
  To* target = to.data();
  for (std::size_t i = 0, count = from.size(); i < count; ++i) target[i] = convert(source[i]);
}

}  // namespace causeway::half_types
