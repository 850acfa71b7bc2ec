// The gated sum after a matrix product of a library, on the GPU.
#include "kernels/cuda_libraries.hpp"
#include "kernels/elements_cuda.hpp"
#include "kernels/launch_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

template <class X>
struct GatedSum {
  const X* update;
  const float* bias;
  const float* gate;
  float* y;
  std::int64_t width, update_stride, y_stride;
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t row = i / width, column = i % width;
    const float value = read_element(update + row * update_stride + column);
    float* at = y + row * y_stride + column;
    *at = fmaf(gate[column], bias == nullptr ? value : value + bias[column], *at);
  }
};

}  // namespace

Status add_gated(ConstView update, const float* bias, const float* gate, View y, Stream stream) {
  if (y.type != ElementType::f32) return Status::unsupported_type;
  if (!are_rows(update, y)) return Status::bad_shape;
  return with_type(update.type, update.data, [&](auto* source) {
    using X = std::remove_cvref_t<decltype(*source)>;
    const GatedSum<X> body{
        source,           bias,       gate, static_cast<float*>(y.data), update.shape[1],
        update.stride[0], y.stride[0]};
    return for_each_element(update.size(), stream, body);
  });
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
