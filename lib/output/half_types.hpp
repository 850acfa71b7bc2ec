// Arrays of float32 latents to the 16-bit words of bfloat16 and IEEE binary16, and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/bfloat16.hpp"

namespace causeway::half_types {

inline std::uint16_t bfloat16_word(float value) { return to_bfloat16(value).bits; }
inline float from_bfloat16_word(std::uint16_t word) { return to_float(bfloat16{word}); }
inline std::uint16_t binary16_word(float value) { return float_to_half(value); }
inline float from_binary16_word(std::uint16_t word) { return half_to_float(word); }

/// Applies one of the conversions above to a whole array; `to` is as long as `from`.
template <class From, class To, class Convert>
void convert_all(std::span<const From> from, std::span<To> to, Convert convert) {
  const From* source = from.data();
  To* target = to.data();
  for (std::size_t i = 0, count = from.size(); i < count; ++i) target[i] = convert(source[i]);
}

}  // namespace causeway::half_types
