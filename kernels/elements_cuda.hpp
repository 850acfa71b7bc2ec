// Reading and writing single elements of any type on the device, and choosing code by element type.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/bfloat16.hpp"
#include "kernels/shape_checks.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

/// An IEEE half as a word.
struct half_word {
  std::uint16_t bits;
};

__host__ __device__ inline float read_element(const float* at) { return *at; }
__host__ __device__ inline float read_element(const bfloat16* at) { return to_float(*at); }
__host__ __device__ inline float read_element(const half_word* at) {
  return half_to_float(at->bits);
}
__host__ __device__ inline void write_element(float* at, float value) { *at = value; }
__host__ __device__ inline void write_element(bfloat16* at, float value) {
  *at = to_bfloat16(value);
}
__host__ __device__ inline void write_element(half_word* at, float value) {
  at->bits = float_to_half(value);
}

/// f(typed pointer) for f32 or bf16 data.
template <class F>
Status with_type(ElementType type, const void* data, F f) {
  if (type == ElementType::f32) return f(static_cast<const float*>(data));
  if (type == ElementType::bf16) return f(static_cast<const bfloat16*>(data));
  return Status::unsupported_type;
}
template <class F>
Status with_type(ElementType type, void* data, F f) {
  if (type == ElementType::f32) return f(static_cast<float*>(data));
  if (type == ElementType::bf16) return f(static_cast<bfloat16*>(data));
  return Status::unsupported_type;
}

/// f(x, y) with both pointers typed, f32 or bf16 each.
template <class F>
Status with_types(const ConstView& x, const View& y, F f) {
  return with_type(x.type, x.data, [&](auto* source) {
    return with_type(y.type, y.data, [&](auto* target) { return f(source, target); });
  });
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
