// Linear layers by cuBLASLt, as far as its epilogues go.
//
// Its sums may run in an order that depends on the number of rows, so this is not for the
// deterministic mode.
#include <algorithm>
#include <cstdint>

#include "kernels/cublaslt.hpp"
#include "kernels/cuda_backend.hpp"
#include "kernels/cuda_libraries.hpp"

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

Status plain(const LinearArgs& args, Stream stream) { return linear(args, stream); }

/// What the library's epilogues cannot say, or what it has no algorithm for, is left to the plain
/// kernel; so are its checks of the arguments.
Status linear_by_library(const LinearArgs& args, Stream stream) {
  const bool sound = args.x.rank == 2 && args.y.rank == 2 && args.x.type == args.compute &&
                     args.x.shape[0] == args.y.shape[0] && args.x.shape[1] == args.k &&
                     args.y.shape[1] == args.n && args.x.stride[1] == 1 && args.y.stride[1] == 1 &&
                     args.n > 0 && args.k > 0 && args.x.shape[0] > 0 &&
                     (args.compute == ElementType::f32 || args.compute == ElementType::bf16) &&
                     (args.y.type == ElementType::f32 || args.y.type == args.compute);
  if (!sound || args.activation == Activation::silu) return plain(args, stream);
  if (!args.accumulate && args.gate != nullptr) return plain(args, stream);
  if (!args.accumulate) {
    const Status status = multiply(args, false, args.bias, args.y, stream);
    return status == Status::unsupported_type ? plain(args, stream) : status;
  }
  if (args.y.type != ElementType::f32 || args.activation != Activation::none) {
    return plain(args, stream);
  }
  if (args.gate == nullptr) {
    const Status status = multiply(args, true, args.bias, args.y, stream);
    return status == Status::unsupported_type ? plain(args, stream) : status;
  }
  if (args.scratch == nullptr) return plain(args, stream);
  const View update = view_of(args.scratch, args.compute, {args.x.shape[0], args.n});
  const Status status = multiply(args, false, nullptr, update, stream);
  if (status == Status::unsupported_type) return plain(args, stream);
  return status == Status::ok ? add_gated(update, args.bias, args.gate, args.y, stream) : status;
}

}  // namespace

void use_cublaslt(Kernels& backend) {
  backend.deterministic = false;
  backend.linear = linear_by_library;
  backend.choices = cublaslt_choices;
  backend.use_choices = cublaslt_use_choices;
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
