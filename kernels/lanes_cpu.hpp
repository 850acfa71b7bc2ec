// Vectors of one instruction set: loads and stores of f32 and bf16, sums in a fixed order, exp and
// SiLU.
//
// Only *_cpu.cpp files include this. Every operation rounds on its own (no fused multiply-add) and
// sums run over `sum_lanes` logical lanes whatever the vector width, so a row has the same bits on
// every CPU.
#pragma once

#include <cstdint>
#include <utility>

#include "kernels/bfloat16.hpp"
#include "kernels/grain_cpu.hpp"
#include "kernels/kernels.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX2__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif
constexpr int sum_lanes = 64;

using Floats = float __attribute__((vector_size(4 * lanes)));
using Words = std::uint32_t __attribute__((vector_size(4 * lanes)));
using HalfWords = std::uint16_t __attribute__((vector_size(2 * lanes)));

inline Floats splat(float value) { return Floats{} + value; }

inline Floats load(const float* p) {
  Floats v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

inline Floats load(const bfloat16* p) {
  HalfWords halves;
  __builtin_memcpy(&halves, p, sizeof halves);
  return reinterpret_cast<Floats>(__builtin_convertvector(halves, Words) << 16);
}

inline void store(float* p, Floats v) { __builtin_memcpy(p, &v, sizeof v); }

/// Rounds as `to_bfloat16` does.
inline void store(bfloat16* p, Floats v) {
  const Words word = reinterpret_cast<Words>(v);
  const Words rounded = (word + 0x7fffu + ((word >> 16) & 1u)) >> 16;
  const Words quiet = (word >> 16) | 0x0040u;
  const Words chosen = (word & 0x7fffffffu) > 0x7f800000u ? quiet : rounded;
  const HalfWords halves = __builtin_convertvector(chosen, HalfWords);
  __builtin_memcpy(p, &halves, sizeof halves);
}

inline float read_element(const float* p) { return *p; }
inline float read_element(const bfloat16* p) { return to_float(*p); }
inline void write_element(float* p, float value) { *p = value; }
inline void write_element(bfloat16* p, float value) { *p = to_bfloat16(value); }

/// The first `count` < lanes elements; the other lanes hold `pad`.
template <class T>
inline Floats load_part(const T* p, std::int64_t count, float pad = 0.0f) {
  T buffer[lanes] = {};
  for (std::int64_t i = 0; i < count; ++i) buffer[i] = p[i];
  Floats v = load(buffer);
  for (std::int64_t i = count; i < lanes; ++i) v[i] = pad;
  return v;
}

template <class T>
inline void store_part(T* p, Floats v, std::int64_t count) {
  T buffer[lanes];
  store(buffer, v);
  for (std::int64_t i = 0; i < count; ++i) p[i] = buffer[i];
}

using LaneIndices = std::make_integer_sequence<int, lanes>;

/// Lane i of the result is lane i xor `distance`; for 1, the elements of each pair change places.
template <int distance, int... i>
inline Floats swap_lanes(Floats v, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(v, v, (i ^ distance)...);
}

/// Σ term(x[i]); element i goes to lane i mod 64, and the lanes are added as a tree. `pad` fills
/// the last vector and must have term(pad) = 0.
template <class T, class Term>
inline float lane_sum(const T* x, std::int64_t count, float pad, Term term) {
  constexpr int parts = sum_lanes / lanes;
  Floats sums[parts] = {};
  std::int64_t i = 0;
  for (; i + sum_lanes <= count; i += sum_lanes) {
#pragma GCC unroll 16
    for (int p = 0; p < parts; ++p) sums[p] += term(load(x + i + p * lanes));
  }
#pragma GCC unroll 16
  for (int p = 0; p < parts; ++p) {
    if (i + lanes <= count) {
      sums[p] += term(load(x + i));
    } else if (i < count) {
      sums[p] += term(load_part(x + i, count - i, pad));
    }
    i += lanes;
  }
#pragma GCC unroll 16
  for (int half = parts / 2; half > 0; half /= 2) {
#pragma GCC unroll 16
    for (int p = 0; p < half; ++p) sums[p] += sums[p + half];
  }
  Floats total = sums[0];
  if constexpr (lanes > 8) total += swap_lanes<8>(total, LaneIndices{});
  if constexpr (lanes > 4) total += swap_lanes<4>(total, LaneIndices{});
  total += swap_lanes<2>(total, LaneIndices{});
  total += swap_lanes<1>(total, LaneIndices{});
  return total[0];
}

/// Loads parameters at the place of the vector in hand.
struct WholeVector {
  std::int64_t at;
  Floats operator()(const float* p) const { return load(p + at); }
};
struct PartVector {
  std::int64_t at, count;
  Floats operator()(const float* p) const { return load_part(p + at, count); }
};

/// y[i] = f(parameters at i, x[i]) over one row; y may be x.
template <class X, class Y, class F>
inline void map_row(const X* x, Y* y, std::int64_t count, F f) {
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(y + i, f(WholeVector{i}, load(x + i)));
  if (i < count) {
    store_part(y + i, f(PartVector{i, count - i}, load_part(x + i, count - i)), count - i);
  }
}

template <int... i>
inline Floats repeat_even(Floats v, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(v, v, (i & ~1)...);
}
template <int... i>
inline Floats repeat_odd(Floats v, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(v, v, (i | 1)...);
}
/// e^t within 2 ulp for t in [−87, 0], e^−87 below; NaN stays NaN.
/// t = n·ln 2 + f with |f| ≤ ln 2 / 2; Taylor series of degree 7 for e^f, as a tree for a short
/// chain.
inline Floats exp_of_negative(Floats t) {
  t = t < -87.0f ? splat(-87.0f) : t;
  const Floats shifted =
      t * 1.44269504f + 12582912.0f;  // 1.5·2²³: the low bits are now round(t·log2 e)
  const Floats n = shifted - 12582912.0f;
  const Floats f = (t - n * 0.693359375f) + n * 2.12194440e-4f;
  const Floats f2 = f * f;
  const Floats p01 = f + 1.0f;
  const Floats p23 = f * (1.0f / 6.0f) + 0.5f;
  const Floats p45 = f * (1.0f / 120.0f) + 1.0f / 24.0f;
  const Floats p67 = f * (1.0f / 5040.0f) + 1.0f / 720.0f;
  const Floats p = (p67 * f2 + p45) * (f2 * f2) + (p23 * f2 + p01);
  const Words exponent = (reinterpret_cast<Words>(shifted) - 0x4b400000u + 127u) << 23;
  return p * reinterpret_cast<Floats>(exponent);
}

/// v/(1 + e^−v), by e^−|v| so that nothing overflows.
inline Floats silu_of(Floats v) {
  const Floats e =
      exp_of_negative(reinterpret_cast<Floats>(reinterpret_cast<Words>(v) | 0x80000000u));
  return (v < 0.0f ? v * e : v) / (e + 1.0f);
}

/// f(typed x, typed y) for f32 and bf16 in any combination.
template <class F>
inline Status with_types(ElementType x_type, const void* x, ElementType y_type, void* y, F f) {
  const bool known = (x_type == ElementType::f32 || x_type == ElementType::bf16) &&
                     (y_type == ElementType::f32 || y_type == ElementType::bf16);
  if (!known) return Status::unsupported_type;
  if (x_type == ElementType::f32 && y_type == ElementType::f32) {
    f(static_cast<const float*>(x), static_cast<float*>(y));
  } else if (x_type == ElementType::f32) {
    f(static_cast<const float*>(x), static_cast<bfloat16*>(y));
  } else if (y_type == ElementType::f32) {
    f(static_cast<const bfloat16*>(x), static_cast<float*>(y));
  } else {
    f(static_cast<const bfloat16*>(x), static_cast<bfloat16*>(y));
  }
  return Status::ok;
}

}  // namespace
}  // namespace causeway::kernels::CAUSEWAY_ISA
