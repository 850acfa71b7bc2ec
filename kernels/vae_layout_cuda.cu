// Data that moves around the VAE on the GPU: up-sampling, frames woven in time, channel order, and
// 8-bit frames.
#include "kernels/cuda_backend.hpp"
#include "kernels/elements_cuda.hpp"
#include "kernels/launch_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

template <class T>
struct UpsampledElement {
  const T* x;
  T* y;
  std::int64_t width, channels;  ///< of x
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t channel = i % channels, pixel = i / channels;
    const std::int64_t column = pixel % (2 * width) / 2, row = pixel / (2 * width) / 2;
    y[i] = x[(row * width + column) * channels + channel];
  }
};

template <class T>
struct WovenElement {
  const T* x;
  T* y;
  std::int64_t pixels, channels;  ///< of a frame of y
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t channel = i % channels, pixel = i / channels % pixels;
    const std::int64_t frame = i / (channels * pixels);
    y[i] = x[((frame / 2 * pixels + pixel) * 2 + frame % 2) * channels + channel];
  }
};

/// i counts y, whose channels lie together.
template <class Y>
struct ChannelsLastElement {
  const float* x;
  Y* y;
  std::int64_t pixels, channels;
  const float *scale, *shift;
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t channel = i % channels;
    float value = x[channel * pixels + i / channels];
    if (scale != nullptr) value *= scale[channel];
    if (shift != nullptr) value += shift[channel];
    write_element(y + i, value);
  }
};

/// i counts y, whose channels lie apart.
template <class X>
struct ChannelsFirstElement {
  const X* x;
  float* y;
  std::int64_t pixels, channels;
  const float *scale, *shift;
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t channel = i / pixels;
    float value = read_element(x + i % pixels * channels + channel);
    if (shift != nullptr) value += shift[channel];
    if (scale != nullptr) value *= scale[channel];
    y[i] = value;
  }
};

template <class Y>
struct FrameElement {
  const std::uint8_t* x;
  Y* y;
  __device__ void operator()(std::int64_t i) const {
    write_element(y + i, static_cast<float>(x[i]) / 127.5f - 1.0f);
  }
};

}  // namespace

Status upsample_nearest_2x(ConstView x, View y, Stream stream) {
  if (x.rank != 4 || !x.is_contiguous()) return Status::bad_shape;
  if (!has_shape(y, x.shape[0], 2 * x.shape[1], 2 * x.shape[2], x.shape[3])) {
    return Status::bad_shape;
  }
  if (x.type != y.type) return Status::unsupported_type;
  return with_type(x.type, x.data, [&](auto* source) {
    using T = std::remove_cvref_t<decltype(*source)>;
    return for_each_element(
        y.size(), stream,
        UpsampledElement<T>{source, static_cast<T*>(y.data), x.shape[2], x.shape[3]});
  });
}

Status interleave_time(ConstView x, View y, Stream stream) {
  if (x.rank != 4 || x.shape[3] % 2 != 0 || !x.is_contiguous()) return Status::bad_shape;
  if (!has_shape(y, 2 * x.shape[0], x.shape[1], x.shape[2], x.shape[3] / 2)) {
    return Status::bad_shape;
  }
  if (x.type != y.type) return Status::unsupported_type;
  return with_type(x.type, x.data, [&](auto* source) {
    using T = std::remove_cvref_t<decltype(*source)>;
    return for_each_element(
        y.size(), stream,
        WovenElement<T>{source, static_cast<T*>(y.data), x.shape[1] * x.shape[2], x.shape[3] / 2});
  });
}

Status to_channels_last(const ChannelArgs& args, Stream stream) {
  const ConstView& x = args.x;
  if (x.rank != 4 || !x.is_contiguous()) return Status::bad_shape;
  if (!has_shape(args.y, x.shape[1], x.shape[2], x.shape[3], x.shape[0])) return Status::bad_shape;
  if (x.type != ElementType::f32) return Status::unsupported_type;
  return with_type(args.y.type, args.y.data, [&](auto* y) {
    using Body = ChannelsLastElement<std::remove_cvref_t<decltype(*y)>>;
    return for_each_element(
        x.size(), stream,
        Body{static_cast<const float*>(x.data), y, x.shape[1] * x.shape[2] * x.shape[3], x.shape[0],
             args.scale, args.shift});
  });
}

Status to_channels_first(const ChannelArgs& args, Stream stream) {
  const ConstView& x = args.x;
  if (x.rank != 4 || !x.is_contiguous()) return Status::bad_shape;
  if (!has_shape(args.y, x.shape[3], x.shape[0], x.shape[1], x.shape[2])) return Status::bad_shape;
  if (args.y.type != ElementType::f32) return Status::unsupported_type;
  return with_type(x.type, x.data, [&](auto* source) {
    using Body = ChannelsFirstElement<std::remove_cvref_t<decltype(*source)>>;
    return for_each_element(
        x.size(), stream,
        Body{source, static_cast<float*>(args.y.data), x.shape[0] * x.shape[1] * x.shape[2],
             x.shape[3], args.scale, args.shift});
  });
}

Status rgb8_to_frames(ConstView x, View y, Stream stream) {
  if (!are_frames(x, y)) return Status::bad_shape;
  if (x.type != ElementType::u8) return Status::unsupported_type;
  return with_type(y.type, y.data, [&](auto* target) {
    using Body = FrameElement<std::remove_cvref_t<decltype(*target)>>;
    return for_each_element(x.size(), stream,
                            Body{static_cast<const std::uint8_t*>(x.data), target});
  });
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
