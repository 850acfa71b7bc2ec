// Convolutions by cuDNN: the padding, causal in time, and the bias are in its graph.
//
// Each stands on one of the plain kernels, which holds the weights and does what the library does
// not: f32, memory that does not begin at a multiple of 16 bytes, and extents for which the library
// has no plan on this GPU.
#include <array>
#include <exception>
#include <optional>
#include <set>
#include <utility>

#include "kernels/cuda_backend.hpp"
#include "kernels/cuda_libraries.hpp"
#include "kernels/cudnn_convolutions.hpp"
#include "kernels/cudnn_library.hpp"
#include "kernels/device_memory_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

using Extents = std::array<std::int64_t, 3>;

std::size_t bias_bytes(std::int64_t outputs) {
  return static_cast<std::size_t>(outputs) * bytes_of(ElementType::bf16);
}

/// What the opaque Conv of this table is.
class Convolution {
 public:
  Convolution(const ConvSpec& spec, Conv* plain, DeviceMemory bias)
      : spec_(spec), plain_(plain), bias_(std::move(bias)) {
    cudnn_join();
  }
  Convolution(const Convolution&) = delete;
  Convolution& operator=(const Convolution&) = delete;
  ~Convolution() {
    conv_destroy(plain_);
    cudnn_leave();
  }

  Status prepare(const Extents& input, Stream stream) {
    const Status status = conv_prepare(plain_, input[0], input[1], input[2], stream);
    if (status != Status::ok || by_library_.contains({stream, input})) return status;
    const auto shape = shape_for(input);
    if (!shape) return Status::ok;
    const Status planned = cudnn_prepare(*shape, stream);
    if (planned == Status::ok) by_library_.insert({stream, input});
    return planned == Status::unsupported_type ? Status::ok : planned;
  }

  Status run(const ConstView& x, const View& y, Stream stream) const {
    const Status sound = check_convolution(spec_, x, y);
    if (sound != Status::ok) return sound;
    const Extents input{x.shape[0], x.shape[1], x.shape[2]};
    if (!by_library_.contains({stream, input}) || !is_aligned_for_cudnn(x.data) ||
        !is_aligned_for_cudnn(y.data)) {
      return conv(plain_, x, y, stream);
    }
    return cudnn_convolve(*shape_for(input),
                          {x.data, weights_of(plain_).weight, bias_.get(), y.data}, stream);
  }

  std::size_t bytes() const {
    return conv_bytes(plain_) + (bias_ ? bias_bytes(spec_.out_channels) : 0);
  }

 private:
  std::optional<ConvolutionShape> shape_for(const Extents& input) const {
    return cudnn_shape(spec_, input, bias_ != nullptr);
  }

  ConvSpec spec_;
  Conv* plain_;
  DeviceMemory bias_;  ///< [out] bf16, as the library wants it, or null
  /// Streams and extents of inputs for which the library has a plan.
  std::set<std::pair<Stream, Extents>> by_library_;
};

Convolution* from(Conv* conv) { return reinterpret_cast<Convolution*>(conv); }

/// The bias of a convolution in bf16; null where it has none, nothing where there is no memory.
std::optional<DeviceMemory> rounded_bias(const Conv* plain, std::int64_t outputs) {
  const float* const bias = weights_of(plain).bias;
  if (bias == nullptr) return DeviceMemory();
  DeviceMemory rounded = allocate_on_device(bias_bytes(outputs));
  if (!rounded ||
      convert(const_view_of(bias, ElementType::f32, {outputs}),
              view_of(rounded.get(), ElementType::bf16, {outputs}), nullptr) != Status::ok ||
      cudaStreamSynchronize(nullptr) != cudaSuccess) {  // other streams do not wait for this one
    return {};
  }
  return rounded;
}

Conv* create(const ConvSpec& spec, ConstView weight, ConstView bias) {
  Conv* const plain = conv_create(spec, weight, bias);
  if (plain == nullptr) return nullptr;
  try {
    auto rounded = rounded_bias(plain, spec.out_channels);
    if (rounded) return reinterpret_cast<Conv*>(new Convolution(spec, plain, std::move(*rounded)));
  } catch (const std::exception&) {
  }
  conv_destroy(plain);
  return nullptr;
}

void destroy(Conv* conv) { delete from(conv); }

Status prepare(Conv* conv, std::int64_t time, std::int64_t height, std::int64_t width,
               Stream stream) {
  if (conv == nullptr) return Status::backend_failure;
  try {
    return from(conv)->prepare({time, height, width}, stream);
  } catch (const std::exception&) {
    return Status::backend_failure;
  }
}

Status convolve(Conv* conv, ConstView x, View y, Stream stream) {
  return conv == nullptr ? Status::backend_failure : from(conv)->run(x, y, stream);
}

std::size_t bytes_held(const Conv* conv) {
  return conv == nullptr ? 0 : reinterpret_cast<const Convolution*>(conv)->bytes();
}

}  // namespace

void use_cudnn_convolutions(Kernels& backend) {
  backend.conv_create = create;
  backend.conv_destroy = destroy;
  backend.conv_prepare = prepare;
  backend.conv = convolve;
  backend.conv_bytes = bytes_held;
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
