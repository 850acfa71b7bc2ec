// bfloat16 and IEEE half as 16-bit words, and their exact conversions (round to nearest even).
// CUDA code may include this file (its functions are constexpr, so that they run on the device
// too).
#pragma once

#include <bit>
#include <cstdint>

namespace causeway {

/// The upper half of a float32. Arithmetic is done in float.
struct bfloat16 {
  std::uint16_t bits;
};

constexpr float to_float(bfloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

// The conversions below choose instead of branching, so that loops over them become vector code.

/// Round to nearest, ties to even; infinities stay, NaN becomes a quiet NaN of the same sign.
constexpr bfloat16 to_bfloat16(float value) {
  const auto word = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (word + 0x7fffu + ((word >> 16) & 1u)) >> 16;
  const std::uint32_t quiet = (word >> 16) | 0x0040u;
  return {static_cast<std::uint16_t>((word & 0x7fffffffu) > 0x7f800000u ? quiet : rounded)};
}

/// IEEE binary16 to float32, subnormals and infinities included.
constexpr float half_to_float(std::uint16_t half) {
  const std::uint32_t magnitude = half & 0x7fffu;
  // Read as a float whose exponent is 112 too small, then scaled: exact, subnormals included.
  const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  const std::uint32_t special = (magnitude << 13) | 0x7f800000u;
  const std::uint32_t word = magnitude >= 0x7c00u ? special : std::bit_cast<std::uint32_t>(scaled);
  return std::bit_cast<float>(word | (static_cast<std::uint32_t>(half & 0x8000u) << 16));
}

/// float32 to IEEE binary16, round to nearest even; past 65504 (by rounding) infinity, NaN becomes
/// quiet.
constexpr std::uint16_t float_to_half(float value) {
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

}  // namespace causeway
