// Packing a weight as it lies in a checkpoint into the panels that the register tile reads.
#pragma once

#include <cstdint>

#include "kernels/tile_cpu.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

/// Elements of one panel of k inputs.
template <class Element>
constexpr std::int64_t panel_elements(std::int64_t k) {
  return round_up(k, k_group<Element>) * panel_width;
}

/// Inputs that are converted at a time: a cache line of each row, twice for f32.
constexpr int pack_step = 32;

template <class Element>
inline void convert_run(const unsigned char* source, ElementType type, int count, Element* target);

inline float half_at(const unsigned char* p) {
  std::uint16_t half;
  __builtin_memcpy(&half, p, sizeof half);
#if defined(__F16C__)
  return _cvtsh_ss(half);
#else
  return half_to_float(half);
#endif
}

/// `count` ≤ pack_step elements of any alignment to f32.
inline void to_floats(const unsigned char* source, ElementType type, int count, float* target) {
  if (type == ElementType::f32) {
    __builtin_memcpy(target, source, sizeof(float) * static_cast<std::size_t>(count));
  } else if (type == ElementType::f16) {
#if defined(__F16C__)
    if (count == pack_step) {
      for (int i = 0; i < pack_step; i += 8) {
        __m128i halves;
        __builtin_memcpy(&halves, source + 2 * i, sizeof halves);
        _mm256_storeu_ps(target + i, _mm256_cvtph_ps(halves));
      }
      return;
    }
#endif
    for (int i = 0; i < count; ++i) target[i] = half_at(source + 2 * i);
  } else {
    bfloat16 words[pack_step];
    __builtin_memcpy(words, source, sizeof(bfloat16) * static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) target[i] = to_float(words[i]);
  }
}

template <>
inline void convert_run<float>(const unsigned char* source, ElementType type, int count,
                               float* target) {
  to_floats(source, type, count, target);
  for (int i = count; i < pack_step; ++i) target[i] = 0.0f;
}
template <>
inline void convert_run<bfloat16>(const unsigned char* source, ElementType type, int count,
                                  bfloat16* target) {
  if (type == ElementType::bf16) {
    __builtin_memcpy(target, source, sizeof(bfloat16) * static_cast<std::size_t>(count));
  } else {
    float floats[pack_step] = {};
    to_floats(source, type, count, floats);
    for (int i = 0; i < pack_step; i += lanes) store(target + i, load(floats + i));
  }
  for (int i = count; i < pack_step; ++i) target[i] = bfloat16{0};
}

/// Moves [panel_width][pack_step] into steps of the panel: f32 [k][width], bf16 [k/2][width][2].
template <class Element>
inline void interleave(const Element (*run)[pack_step], int count, Element* panel) {
  constexpr int group = k_group<Element>;
  for (int i = 0; i < count; i += group) {
    for (int column = 0; column < panel_width; ++column) {
      std::uint32_t word;  // one f32 or a pair of bf16
      __builtin_memcpy(&word, &run[column][i], sizeof word);
      __builtin_memcpy(panel + i * panel_width + column * group, &word, sizeof word);
    }
  }
}

/// Packs outputs [first, first + panel_width) of `weight` [n, k]; outputs ≥ n become zero.
/// Rows may have any stride, elements any alignment.
template <class Element>
void pack_panel(const ConstView& weight, std::int64_t first, Element* panel) {
  const std::int64_t n = weight.shape[0], k = weight.shape[1];
  const auto element_bytes = static_cast<std::int64_t>(bytes_of(weight.type));
  const auto* source = static_cast<const unsigned char*>(weight.data);
  alignas(64) Element run[panel_width][pack_step];
  for (std::int64_t i = 0; i < k; i += pack_step) {
    const int count = static_cast<int>(smaller(pack_step, k - i));
    for (int column = 0; column < panel_width; ++column) {
      const std::int64_t output = first + column;
      if (output < n) {
        convert_run(source + (output * weight.stride[0] + i) * element_bytes, weight.type, count,
                    run[column]);
      } else {
        for (Element& element : run[column]) element = Element{};
      }
    }
    interleave(run, static_cast<int>(round_up(count, k_group<Element>)), panel + i * panel_width);
  }
}

}  // namespace
}  // namespace causeway::kernels::CAUSEWAY_ISA
