// The register tile under all matrix products, and the exponentials that follow it.
//
// A packed panel holds `width` columns of a matrix whose rows are the summation index k:
//   f32:  [k][width]            bf16:  [k/2][width][2], an odd k padded with a zero.
// The sum for one element runs over k in order, one fused step per k (f32) or per pair of k (bf16),
// whatever the number of rows in the tile: a row's bits do not depend on its neighbours.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include <cstdint>

#include "kernels/cpu_backend.hpp"
#include "kernels/lanes_cpu.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

constexpr int tile_rows = 6;
#if defined(__AVX512F__)
constexpr int panel_vectors = 4;  // 24 sums, 4 of the panel and 1 of the row fill 32 registers
#else
constexpr int panel_vectors = 2;  // 12 sums of 16 registers
#endif
constexpr int panel_width = panel_vectors * lanes;

/// Elements of k that lie together in a packed panel.
template <class Element>
constexpr int k_group = sizeof(Element) == 2 ? 2 : 1;

constexpr std::int64_t round_up(std::int64_t value, std::int64_t unit) {
  return (value + unit - 1) / unit * unit;
}
constexpr std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
constexpr std::int64_t larger(std::int64_t a, std::int64_t b) { return a < b ? b : a; }

/// a·b + c, fused where the instruction set can.
inline Floats multiply_add(Floats a, Floats b, Floats c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}

inline std::uint32_t pair_at(const bfloat16* p) {
  std::uint32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return pair;
}

/// One step of k for a tile of bf16: `pair(i)` is two elements of row i, `b` is [width][2].
template <int rows, int vectors, class Pair>
inline void step_bf16(Pair pair, const bfloat16* b, Floats (&sums)[rows][vectors]) {
#if defined(__AVX512BF16__)
  __m512bh columns[vectors];
#pragma GCC unroll 8
  for (int j = 0; j < vectors; ++j) {
    columns[j] = (__m512bh)_mm512_loadu_si512(b + 2 * lanes * j);
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
    const auto row = (__m512bh)_mm512_set1_epi32(static_cast<int>(pair(i)));
#pragma GCC unroll 8
    for (int j = 0; j < vectors; ++j) sums[i][j] = _mm512_dpbf16_ps(sums[i][j], row, columns[j]);
  }
#else
  Words columns[vectors];
#pragma GCC unroll 8
  for (int j = 0; j < vectors; ++j) __builtin_memcpy(&columns[j], b + 2 * lanes * j, sizeof(Words));
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
    const Words row = Words{} + pair(i);
#pragma GCC unroll 8
    for (int j = 0; j < vectors; ++j) {
      sums[i][j] = multiply_add(reinterpret_cast<Floats>(row << 16),
                                reinterpret_cast<Floats>(columns[j] << 16), sums[i][j]);
    }
#pragma GCC unroll 8
    for (int j = 0; j < vectors; ++j) {
      sums[i][j] = multiply_add(reinterpret_cast<Floats>(row & 0xffff0000u),
                                reinterpret_cast<Floats>(columns[j] & 0xffff0000u), sums[i][j]);
    }
  }
#endif
}

/// All steps over `k` elements. a: [rows, k], row stride `a_stride`; b: a panel of vectors·lanes
/// columns.
template <int rows, int vectors>
inline void steps(const bfloat16* a, std::int64_t a_stride, const bfloat16* b, std::int64_t k,
                  Floats (&sums)[rows][vectors]) {
  std::int64_t i = 0;
  for (; i + 2 <= k; i += 2) {
    step_bf16([&](int row) { return pair_at(a + row * a_stride + i); }, b + i * vectors * lanes,
              sums);
  }
  if (i < k) {
    step_bf16([&](int row) -> std::uint32_t { return a[row * a_stride + i].bits; },
              b + i * vectors * lanes, sums);
  }
}
template <int rows, int vectors>
inline void steps(const float* a, std::int64_t a_stride, const float* b, std::int64_t k,
                  Floats (&sums)[rows][vectors]) {
  for (std::int64_t s = 0; s < k; ++s) {
    Floats columns[vectors];
#pragma GCC unroll 8
    for (int j = 0; j < vectors; ++j) columns[j] = load(b + (s * vectors + j) * lanes);
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      const Floats row = splat(a[i * a_stride + s]);
#pragma GCC unroll 8
      for (int j = 0; j < vectors; ++j) sums[i][j] = multiply_add(row, columns[j], sums[i][j]);
    }
  }
}

/// c = a·b, or c += a·b unless `fresh`; c: [rows, vectors·lanes], row stride `c_stride`. The
/// product is summed on its own first: long sums cut along k (at even k) gain the accuracy of a sum
/// in blocks.
template <class Element, int rows, int vectors>
void tile(const Element* a, std::int64_t a_stride, const Element* b, std::int64_t k, bool fresh,
          float* c, std::int64_t c_stride) {
  Floats sums[rows][vectors] = {};
  steps(a, a_stride, b, k, sums);
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < vectors; ++j) {
      float* target = c + i * c_stride + j * lanes;
      store(target, fresh ? sums[i][j] : load(target) + sums[i][j]);
    }
  }
}

template <class Element, int vectors>
void tile_of_rows(int rows, const Element* a, std::int64_t a_stride, const Element* b,
                  std::int64_t k, bool fresh, float* c, std::int64_t c_stride) {
  switch (rows) {
    case 6:
      return tile<Element, 6, vectors>(a, a_stride, b, k, fresh, c, c_stride);
    case 5:
      return tile<Element, 5, vectors>(a, a_stride, b, k, fresh, c, c_stride);
    case 4:
      return tile<Element, 4, vectors>(a, a_stride, b, k, fresh, c, c_stride);
    case 3:
      return tile<Element, 3, vectors>(a, a_stride, b, k, fresh, c, c_stride);
    case 2:
      return tile<Element, 2, vectors>(a, a_stride, b, k, fresh, c, c_stride);
    default:
      return tile<Element, 1, vectors>(a, a_stride, b, k, fresh, c, c_stride);
  }
}

/// The larger of two, lane by lane; `b` where either is NaN.
inline Floats larger(Floats a, Floats b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(static_cast<__mmask16>(-1), a, b);  // the plain one warns in GCC 12
#elif defined(__AVX2__)
  return _mm256_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}

/// 1.5·2²³ + 127: adding it rounds to an integer n and leaves n + 127 in the low bits.
constexpr float rounding_magic = 12583039.0f;

/// 2ⁿ·p, where `shifted` is n + rounding_magic and −127 ≤ n ≤ 128; n = −127 gives 0 and 128 gives
/// ∞.
inline Floats scaled(Floats p, Floats shifted) {
  return p * reinterpret_cast<Floats>(reinterpret_cast<Words>(shifted) << 23);
}

/// 2ᶠ for |f| ≤ 1/2 and a relative error of 2e-9 before rounding: minimax with 2⁰ = 1.
inline Floats exp2_fraction(Floats f) {
  Floats p = splat(0.00015353362f);
  p = multiply_add(p, f, splat(0.00133988745f));
  p = multiply_add(p, f, splat(0.00961843736f));
  p = multiply_add(p, f, splat(0.0555033247f));
  p = multiply_add(p, f, splat(0.240226479f));
  p = multiply_add(p, f, splat(0.693147203f));
  return multiply_add(p, f, splat(1.0f));
}

/// The same within 1.0e-4, which bf16 cannot tell apart.
inline Floats exp2_fraction_coarse(Floats f) {
  Floats p = splat(0.0550089314f);
  p = multiply_add(p, f, splat(0.242210962f));
  p = multiply_add(p, f, splat(0.693282927f));
  return multiply_add(p, f, splat(1.0f));
}

/// 2ᵗ for t ≤ 127; 0 below −127; NaN stays NaN.
template <bool coarse>
inline Floats exp2_of(Floats t) {
  t = larger(splat(-127.0f), t);
  const Floats shifted = t + rounding_magic;
  const Floats f = t - (shifted - rounding_magic);
  return scaled(coarse ? exp2_fraction_coarse(f) : exp2_fraction(f), shifted);
}

/// x/(1 + e⁻ᶻ), the common shape of GELU (z = 2·√(2/π)·(x + 0.044715·x³)) and SiLU (z = x).
/// Relative error about 3e-7 with a fused multiply-add; e⁻ᶻ becomes infinite from 2¹²⁷·⁵.
inline Floats times_logistic(Floats x, Floats z) {
  const Floats t = larger(splat(-126.0f), -larger(splat(-128.0f), z * 1.44269502f));
  const Floats shifted = t + rounding_magic;
  Floats f = multiply_add(-z, splat(1.44269502f), -(shifted - rounding_magic));
  f = multiply_add(-z, splat(1.925963e-8f), f);           // the rest of log2 e
  f = larger(splat(-0.51f), -larger(splat(-0.51f), -f));  // z beyond the clamp
  return x / (scaled(exp2_fraction(f), shifted) + 1.0f);
}

}  // namespace
}  // namespace causeway::kernels::CAUSEWAY_ISA
