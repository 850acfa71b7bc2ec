// Linear layers on the GPU: x·Wᵀ with bias, activation, gate and sum; weights are kept as [n, k].
#include "kernels/cuda_backend.hpp"
#include "kernels/product_cuda.hpp"
#include "kernels/stored_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

/// Outputs whose weights `linear_stored` brings to the device at a time.
constexpr std::int64_t panel_outputs = 256;

template <class X>
struct MatrixRows {
  const X* x;
  std::int64_t stride;
  __device__ float at(std::int64_t row, std::int64_t i) const {
    return read_element(x + row * stride + i);
  }
};

/// The weights have the type of x.
Status multiply_rows(const ConstView& x, const void* weight, std::int64_t n, std::int64_t k,
                     const float* bias, Activation activation, bool accumulate, const float* gate,
                     const View& y, Stream stream) {
  return with_types(x, y, [&](auto* rows, auto* target) {
    using X = std::remove_cvref_t<decltype(*rows)>;
    using Y = std::remove_cvref_t<decltype(*target)>;
    return start_product(
        MatrixRows<X>{rows, x.stride[0]}, static_cast<const X*>(weight), x.shape[0], n, k,
        ProductEnd<Y>{bias, activation, accumulate, gate, target, y.stride[0]}, stream);
  });
}

bool are_linear(const ConstView& x, const ConstView& y, std::int64_t n, std::int64_t k) {
  return n > 0 && k > 0 && x.rank == 2 && y.rank == 2 && x.shape[0] == y.shape[0] &&
         x.shape[1] == k && y.shape[1] == n && (x.stride[1] == 1 || k == 1) &&
         (y.stride[1] == 1 || n == 1);
}

}  // namespace

std::size_t linear_packed_bytes(std::int64_t n, std::int64_t k, ElementType compute) {
  return static_cast<std::size_t>(n * k) * bytes_of(compute);
}

Status linear_pack(ConstView weight, ElementType compute, void* packed, Stream stream) {
  if (weight.rank != 2 || !weight.is_contiguous()) return Status::bad_shape;
  if (!is_f32_or_bf16(compute)) return Status::unsupported_type;
  return upload_stored(weight.data, weight.type, weight.size(), compute, packed, stream);
}

Status linear(const LinearArgs& args, Stream stream) {
  if (args.x.type != args.compute || !is_f32_or_bf16(args.compute)) {
    return Status::unsupported_type;
  }
  if (args.accumulate && args.y.type != ElementType::f32) return Status::unsupported_type;
  const bool gate_fits = args.accumulate || args.gate == nullptr;
  if (!gate_fits || !are_linear(args.x, args.y, args.n, args.k)) return Status::bad_shape;
  return multiply_rows(args.x, args.weight, args.n, args.k, args.bias, args.activation,
                       args.accumulate, args.gate, args.y, stream);
}

std::size_t linear_stored_workspace(std::int64_t k, ElementType compute) {
  return linear_packed_bytes(panel_outputs, k, compute);
}

Status linear_stored(const LinearStoredArgs& args, Stream stream) {
  if (args.x.type != args.compute || !is_f32_or_bf16(args.compute) ||
      !is_stored_type(args.weight.type)) {
    return Status::unsupported_type;
  }
  const std::int64_t n = args.weight.shape[0], k = args.weight.shape[1];
  if (args.weight.rank != 2 || !args.weight.is_contiguous() || !are_linear(args.x, args.y, n, k)) {
    return Status::bad_shape;
  }
  const auto* stored = static_cast<const char*>(args.weight.data);
  for (std::int64_t first = 0; first < n; first += panel_outputs) {
    const std::int64_t here = std::min(panel_outputs, n - first);
    // The stream keeps the order: a panel is not overwritten before its products are done.
    Status status =
        upload_stored(stored + static_cast<std::size_t>(first * k) * bytes_of(args.weight.type),
                      args.weight.type, here * k, args.compute, args.workspace, stream);
    if (status != Status::ok) return status;
    View y = args.y;
    y.shape[1] = here;
    y.data = static_cast<char*>(y.data) + static_cast<std::size_t>(first) * bytes_of(y.type);
    status = multiply_rows(args.x, args.workspace, here, k,
                           args.bias == nullptr ? nullptr : args.bias + first, args.activation,
                           false, nullptr, y, stream);
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
