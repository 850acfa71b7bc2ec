// Convolutions on the GPU: a matrix product whose rows are gathered from the input.
#include <array>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/cuda_backend.hpp"
#include "kernels/cuda_libraries.hpp"
#include "kernels/device_memory_cuda.hpp"
#include "kernels/product_cuda.hpp"
#include "kernels/stored_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

using Extents = std::array<std::int64_t, 3>;

/// What the opaque Conv of this backend is.
struct Convolution {
  ConvSpec spec;
  DeviceMemory weight;  ///< [out, kt, kh, kw, in] in the compute type
  DeviceMemory bias;    ///< [out] f32, or null
  /// Streams and extents of inputs. Nothing is made for them here, but the rule is that of all
  /// tables.
  std::vector<std::pair<Stream, Extents>> prepared;

  bool is_prepared(const Extents& input, Stream stream) const {
    return std::find(prepared.begin(), prepared.end(), std::pair(stream, input)) != prepared.end();
  }
  std::int64_t k() const {
    return spec.in_channels * spec.kernel[0] * spec.kernel[1] * spec.kernel[2];
  }
};

Convolution* from(Conv* conv) { return reinterpret_cast<Convolution*>(conv); }
const Convolution* from(const Conv* conv) { return reinterpret_cast<const Convolution*>(conv); }

/// Element i of the row of an output pixel: input channel i % in of tap i / in, 0 in the padding.
template <class X>
struct GatheredRows {
  const X* x;
  std::int64_t channels;
  std::int64_t kernel[3], stride[3], pad[3], input[3], output[3];
  __device__ float at(std::int64_t row, std::int64_t i) const {
    const std::int64_t channel = i % channels, tap = i / channels;
    const std::int64_t t =
        row / (output[1] * output[2]) * stride[0] - pad[0] + tap / (kernel[1] * kernel[2]);
    const std::int64_t h =
        row / output[2] % output[1] * stride[1] - pad[1] + tap / kernel[2] % kernel[1];
    const std::int64_t w = row % output[2] * stride[2] - pad[2] + tap % kernel[2];
    const bool inside = t >= 0 && t < input[0] && h >= 0 && h < input[1] && w >= 0 && w < input[2];
    if (!inside) return 0.0f;
    return read_element(x + ((t * input[1] + h) * input[2] + w) * channels + channel);
  }
};

/// The weight with its input channels last, in memory that holds it as T.
template <class T>
Status upload_weight(const ConvSpec& spec, const ConstView& weight, T* device) {
  const std::int64_t taps = weight.shape[2] * weight.shape[3] * weight.shape[4];
  std::vector<T> values(static_cast<std::size_t>(weight.size()));
  for (std::int64_t i = 0; i < weight.size(); ++i) {
    const std::int64_t tap = i % taps, in = i / taps % spec.in_channels;
    const std::int64_t out = i / (taps * spec.in_channels);
    write_element(&values[static_cast<std::size_t>((out * taps + tap) * spec.in_channels + in)],
                  stored_element(weight.data, weight.type, i));
  }
  return status_of(cudaMemcpy(device, values.data(), values.size() * sizeof(T), cudaMemcpyDefault));
}

std::unique_ptr<Convolution> make_convolution(const ConvSpec& spec, const ConstView& weight,
                                              const ConstView& bias) {
  auto made = std::make_unique<Convolution>();
  made->spec = spec;
  made->weight =
      allocate_on_device(static_cast<std::size_t>(weight.size()) * bytes_of(spec.compute));
  if (made->weight == nullptr) return nullptr;
  const Status status = with_type(spec.compute, made->weight.get(), [&](auto* device) {
    return upload_weight(spec, weight, device);
  });
  if (status != Status::ok) return nullptr;
  if (bias.data != nullptr) {
    made->bias = allocate_on_device(static_cast<std::size_t>(spec.out_channels) * sizeof(float));
    if (made->bias == nullptr) return nullptr;
    if (upload_stored(bias.data, bias.type, spec.out_channels, ElementType::f32, made->bias.get(),
                      nullptr) != Status::ok) {
      return nullptr;
    }
  }
  // Copies may still be on their way, and other streams do not wait for this one.
  return cudaStreamSynchronize(nullptr) == cudaSuccess ? std::move(made) : nullptr;
}

}  // namespace

Conv* conv_create(const ConvSpec& spec, ConstView weight, ConstView bias) {
  if (!is_sound(spec, weight, bias)) return nullptr;
  try {
    return reinterpret_cast<Conv*>(make_convolution(spec, weight, bias).release());
  } catch (const std::exception&) {
    return nullptr;
  }
}

void conv_destroy(Conv* conv) { delete from(conv); }

Status conv_prepare(Conv* conv, std::int64_t time, std::int64_t height, std::int64_t width,
                    Stream stream) {
  if (conv == nullptr) return Status::backend_failure;
  const Extents input{time, height, width};
  if (output_of(from(conv)->spec, input)[0] == 0) return Status::bad_shape;
  if (from(conv)->is_prepared(input, stream)) return Status::ok;
  try {
    from(conv)->prepared.emplace_back(stream, input);
  } catch (const std::exception&) {
    return Status::backend_failure;
  }
  return Status::ok;
}

Status conv(Conv* conv, ConstView x, View y, Stream stream) {
  if (conv == nullptr) return Status::backend_failure;
  const Convolution& made = *from(conv);
  const ConvSpec& spec = made.spec;
  const Status sound = check_convolution(spec, x, y);
  if (sound != Status::ok) return sound;
  const Extents input{x.shape[0], x.shape[1], x.shape[2]};
  const Extents output = output_of(spec, input);
  if (!made.is_prepared(input, stream)) return Status::bad_shape;
  return with_type(x.type, x.data, [&](auto* data) {
    using X = std::remove_cvref_t<decltype(*data)>;
    GatheredRows<X> rows{data, spec.in_channels, {}, {}, {}, {}, {}};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      rows.kernel[axis] = spec.kernel[axis];
      rows.stride[axis] = spec.stride[axis];
      rows.pad[axis] = spec.pad_before[axis];
      rows.input[axis] = input[axis];
      rows.output[axis] = output[axis];
    }
    const ProductEnd<X> end{static_cast<const float*>(made.bias.get()),
                            Activation::none,
                            false,
                            nullptr,
                            static_cast<X*>(y.data),
                            spec.out_channels};
    return start_product(rows, static_cast<const X*>(made.weight.get()),
                         output[0] * output[1] * output[2], spec.out_channels, made.k(), end,
                         stream);
  });
}

ConvolutionWeights weights_of(const Conv* conv) {
  return {from(conv)->weight.get(), static_cast<const float*>(from(conv)->bias.get())};
}

std::size_t conv_bytes(const Conv* conv) {
  if (conv == nullptr) return 0;
  const Convolution& made = *from(conv);
  const std::int64_t elements = made.spec.out_channels * made.k();
  return static_cast<std::size_t>(elements) * bytes_of(made.spec.compute) +
         (made.bias == nullptr ? 0
                               : static_cast<std::size_t>(made.spec.out_channels) * sizeof(float));
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
