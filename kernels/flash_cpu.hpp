// Attention of a few query rows to one block of packed keys, with a running softmax.
//
// Scores are taken to base 2. The running maximum of a row is rounded up to an integer, so taking
// it back out of the sums so far multiplies them by a power of two, which is exact; a row's bits
// therefore depend on its own query and on the blocks alone. (Running softmax: Milakov and
// Gimelshein 2018, Dao et al. 2022.)
#pragma once

#include <cstdint>

#include "kernels/kv_layout_cpu.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

constexpr float log2_e = 1.44269504f;

/// One block of keys and values of one head, and what is added to its scores.
template <class Element>
struct FlashBlock {
  const Element* keys = nullptr;    ///< panels of [head_dim][panel_width], one after the other
  const Element* values = nullptr;  ///< panels of dimensions, [slots][width] each
  std::int64_t value_slots = 0;     ///< slots that a panel of values has room for
  std::int64_t count = 0;           ///< slots in use, 1 … kv_block
  std::int64_t head_dim = 0;
  float scale = 1.0f;           ///< of the scores, times log2 e; positive
  float last_bias = 0.0f;       ///< added to the unscaled score of slot count − 1
  const float* bias = nullptr;  ///< [count] of row 0, added to unscaled scores; row r reads at −r
};

/// Sums so far of up to `tile_rows` rows.
struct FlashRows {
  float* maximum;       ///< [rows], integers (base 2), −∞ at first
  float* denominators;  ///< [rows][lanes]; the lanes are added at the end
  float* sums;          ///< [rows][padded head_dim], not yet divided
};

/// 2^(from − to) for integers from ≤ to; 0 far down and from −∞.
inline float power_of_two(float from, float to) {
  const float exponent = from - to;
  if (!(exponent >= -126.0f)) return 0.0f;
  const auto word = static_cast<std::uint32_t>(static_cast<int>(exponent) + 127) << 23;
  float power;
  __builtin_memcpy(&power, &word, sizeof power);
  return power;
}

inline float largest_of(Floats v) {
  float values[lanes];
  store(values, v);
#pragma GCC unroll 4
  for (int half = lanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) {
      values[i] = values[i] > values[i + half] ? values[i] : values[i + half];
    }
  }
  return values[0];
}

inline void store_weights(float* target, Floats a, Floats b) {
  store(target, a);
  store(target + lanes, b);
}
inline void store_weights(bfloat16* target, Floats a, Floats b) {
#if defined(__AVX512BF16__)
  const __m512bh both = _mm512_cvtne2ps_pbh(b, a);
  __builtin_memcpy(target, &both, sizeof both);
#else
  store(target, a);
  store(target + lanes, b);
#endif
}

/// Scores of one row to weights 2^(score − maximum); moves the running maximum and denominator.
/// `scores` is padded with −∞ to `padded`, a multiple of 2·lanes.
template <class Element>
inline void weigh_row(const float* scores, std::int64_t padded, float scale,
                      std::int64_t padded_dim, float* maximum, float* denominator, float* sums,
                      Element* weights) {
  constexpr bool coarse = sizeof(Element) == 2;
  Floats top = load(scores), top2 = load(scores + lanes);
  for (std::int64_t i = 2 * lanes; i < padded; i += 2 * lanes) {
    top = larger(top, load(scores + i));
    top2 = larger(top2, load(scores + i + lanes));
  }
  const float block_maximum = __builtin_ceilf(largest_of(larger(top, top2)) * scale);
  Floats total = load(denominator);
  if (block_maximum > *maximum) {
    const Floats factor = splat(power_of_two(*maximum, block_maximum));
    *maximum = block_maximum;
    total *= factor;
    for (std::int64_t i = 0; i < padded_dim; i += lanes) store(sums + i, load(sums + i) * factor);
  }
  const Floats scales = splat(scale), offset = splat(-*maximum);
  Floats block_total{}, block_total2{};
  for (std::int64_t i = 0; i < padded; i += 2 * lanes) {
    const Floats a = exp2_of<coarse>(multiply_add(load(scores + i), scales, offset));
    const Floats b = exp2_of<coarse>(multiply_add(load(scores + i + lanes), scales, offset));
    block_total += a;
    block_total2 += b;
    store_weights(weights + i, a, b);
  }
  store(denominator, total + (block_total + block_total2));
}

/// Adds one block to `rows` rows. q: [rows, head_dim], row stride `q_stride`.
template <class Element>
void add_block(const FlashBlock<Element>& block, int rows, const Element* q, std::int64_t q_stride,
               const FlashRows& state) {
  alignas(64) float scores[tile_rows * kv_block];
  alignas(64) Element weights[tile_rows * kv_block];
  const std::int64_t padded = round_up(block.count, panel_width);
  const std::int64_t padded_dim = round_up(block.head_dim, lanes);
  const std::int64_t key_stride = round_up(block.head_dim, k_group<Element>);
  for (std::int64_t slot = 0; slot < padded; slot += panel_width) {
    tile_of_rows<Element, panel_vectors>(rows, q, q_stride, block.keys + slot * key_stride,
                                         block.head_dim, true, scores + slot, kv_block);
  }
  for (int row = 0; row < rows; ++row) {
    float* row_scores = scores + row * kv_block;
    if (block.bias != nullptr) {
      for (std::int64_t i = 0; i < block.count; ++i) row_scores[i] += block.bias[i - row];
    }
    if (block.last_bias != 0.0f) row_scores[block.count - 1] += block.last_bias;
    for (std::int64_t i = block.count; i < padded; ++i) row_scores[i] = -__builtin_inff();
    weigh_row(row_scores, padded, block.scale, padded_dim, state.maximum + row,
              state.denominators + row * lanes, state.sums + row * padded_dim,
              weights + row * kv_block);
  }
  const std::int64_t steps_in_use = round_up(block.count, k_group<Element>);
  for (std::int64_t dim = 0; dim < padded_dim; dim += panel_width) {
    const Element* values = block.values + dim * block.value_slots;
    float* sums = state.sums + dim;
    const auto add = [&]<int vectors>() {
      tile_of_rows<Element, vectors>(rows, weights, kv_block, values, steps_in_use, false, sums,
                                     padded_dim);
    };
    switch (smaller(panel_width, padded_dim - dim) / lanes) {
      case 1:
        add.template operator()<1>();
        break;
      case 2:
        add.template operator()<2>();
        break;
#if defined(__AVX512F__)
      case 3:
        add.template operator()<3>();
        break;
      default:
        add.template operator()<4>();
#endif
    }
  }
}

inline void start_rows(int rows, std::int64_t padded_dim, const FlashRows& state) {
  for (int row = 0; row < rows; ++row) state.maximum[row] = -__builtin_inff();
  for (int i = 0; i < rows * lanes; ++i) state.denominators[i] = 0.0f;
  for (std::int64_t i = 0; i < rows * padded_dim; ++i) state.sums[i] = 0.0f;
}

/// y = sums / denominator for one row.
template <class Output>
inline void finish_row(const float* sums, const float* denominators, std::int64_t head_dim,
                       Output* y) {
  float total = denominators[0];
  for (int i = 1; i < lanes; ++i) total += denominators[i];
  const float factor = 1.0f / total;
  std::int64_t i = 0;
  for (; i + lanes <= head_dim; i += lanes) store(y + i, load(sums + i) * factor);
  if (i < head_dim) store_part(y + i, load(sums + i) * factor, head_dim - i);
}

inline void write_row_of(const View& y, std::int64_t token, std::int64_t head,
                         std::int64_t head_dim, const float* sums, const float* denominators) {
  const std::int64_t at = token * y.stride[0] + head * y.stride[1];
  if (y.type == ElementType::f32) {
    finish_row(sums, denominators, head_dim, static_cast<float*>(y.data) + at);
  } else {
    finish_row(sums, denominators, head_dim, static_cast<bfloat16*>(y.data) + at);
  }
}

}  // namespace
}  // namespace causeway::kernels::CAUSEWAY_ISA
