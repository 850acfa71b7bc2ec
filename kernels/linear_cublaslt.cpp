// Linear layers by cuBLASLt, as far as its epilogues go.
//
// Its sums may run in an order that depends on the number of rows, so this is not for the
// deterministic mode.
#include <algorithm>
#include <cstdint>

#include "kernels/cublaslt.hpp"
#include "kernels/cuda_backend.hpp"
#include "kernels/cuda_libraries.hpp"
#include "kernels/shape_checks.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

/// The largest power of two up to 256 that divides an address.
int alignment_of(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer) | 256u;
  return static_cast<int>(address & -address);
}

Status multiply(const LinearArgs& args, bool adds, const float* bias, View y, Stream stream) {
  const ProductShape shape{.rows = args.x.shape[0],
                           .n = args.n,
                           .k = args.k,
                           .x_stride = std::max(args.x.stride[0], args.k),
                           .y_stride = std::max(y.stride[0], args.n),
                           .compute = args.compute,
                           .result = y.type,
                           .has_bias = bias != nullptr,
                           .has_gelu = args.activation == Activation::gelu_tanh,
                           .adds = adds,
                           .x_alignment = alignment_of(args.x.data),
                           .w_alignment = alignment_of(args.weight),
                           .y_alignment = alignment_of(y.data),
                           .bias_alignment = bias == nullptr ? 0 : alignment_of(bias)};
  return cublaslt_product(shape, args.x.data, args.weight, bias, y.data, stream);
}

/// Shapes and types of the library; checks of other arguments are left to the plain kernel.
bool is_for_library(const LinearArgs& args) {
  return args.x.rank == 2 && args.y.rank == 2 && args.x.type == args.compute &&
         args.x.shape[0] == args.y.shape[0] && args.x.shape[1] == args.k &&
         args.y.shape[1] == args.n && args.x.stride[1] == 1 && args.y.stride[1] == 1 &&
         args.n > 0 && args.k > 0 && args.x.shape[0] > 0 && is_f32_or_bf16(args.compute) &&
         (args.y.type == ElementType::f32 || args.y.type == args.compute);
}

/// What the library's epilogues cannot say, or what it has no algorithm for, is left to the plain
/// kernel.
Status linear_by_library(const LinearArgs& args, Stream stream) {
  const bool says_end = args.accumulate
                            ? args.y.type == ElementType::f32 && args.activation == Activation::none
                            : args.activation != Activation::silu;
  if (!is_for_library(args) || !says_end || args.gate != nullptr) return linear(args, stream);
  const Status status = multiply(args, args.accumulate, args.bias, args.y, stream);
  return status == Status::unsupported_type ? linear(args, stream) : status;
}

/// With a gate the product lies where its norm is going to, of whose pass it becomes a part.
/// Without, the product adds into the sum by itself: the same traffic, and one rounding less.
Status linear_norm_by_library(const LinearArgs& args, const LayerNormArgs& norm, Stream stream) {
  if (!is_linear_norm(args, norm)) return Status::bad_shape;
  if (args.gate != nullptr && is_for_library(args) && norm.y.type == args.compute &&
      norm.y.stride[1] == 1 && is_sound(norm)) {
    const Status status = multiply(args, false, nullptr, norm.y, stream);
    if (status == Status::ok) {
      return add_gated_norm(args.bias, args.gate, args.y, norm, stream);
    }
    if (status != Status::unsupported_type) return status;
  }
  const Status status = linear_by_library(args, stream);
  return status == Status::ok ? layer_norm(norm, stream) : status;
}

}  // namespace

void use_cublaslt(Kernels& backend) {
  backend.deterministic = false;
  backend.linear = linear_by_library;
  backend.linear_norm = linear_norm_by_library;
  backend.choices = cublaslt_choices;
  backend.use_choices = cublaslt_use_choices;
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
