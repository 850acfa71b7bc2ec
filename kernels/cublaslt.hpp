// Matrix products by cuBLASLt, and what was found out about its algorithms.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "kernels/kernels.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

/// One product y = x·Wᵀ (+ bias) (then GELU) (+ y), with all that the choice of an algorithm may
/// depend on. x [rows, k] and W [n, k] have the type `compute`.
struct ProductShape {
  std::int64_t rows = 0, n = 0, k = 0, x_stride = 0, y_stride = 0;
  ElementType compute = ElementType::f32, result = ElementType::f32;
  bool has_bias = false, has_gelu = false, adds = false;
  int x_alignment = 0, w_alignment = 0, y_alignment = 0, bias_alignment = 0;  ///< bytes, ≤ 256
  auto operator<=>(const ProductShape&) const = default;
};

/// Starts the product on the stream; bias is [n] f32 and counts where `has_bias`. At the first call
/// for a shape the library's candidates are timed, which waits and allocates; so does the first
/// call on a stream. `unsupported_type` where the library has no algorithm for this shape.
Status cublaslt_product(const ProductShape& shape, const void* x, const void* weight,
                        const float* bias, void* y, Stream stream);

/// Kernels::choices and Kernels::use_choices of these products.
std::string cublaslt_choices();
void cublaslt_use_choices(const std::string& text);

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
