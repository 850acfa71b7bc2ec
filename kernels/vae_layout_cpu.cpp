// Data that moves around the VAE: up-sampling, frames woven in time, channel order, and 8-bit
// frames.
#include "kernels/cpu_backend.hpp"
#include "kernels/lanes_cpu.hpp"
#include "kernels/shape_checks.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

/// y[t, h, w, c] = f(x[c, t, h, w], c); rows of one (t, h) are turned while they lie in the cache.
template <class Y, class F>
void channels_to_last(const float* x, Y* y, const ConstView& y_view, F f) {
  const std::int64_t rows = y_view.shape[0] * y_view.shape[1];
  const std::int64_t width = y_view.shape[2], channels = y_view.shape[3];
#pragma omp parallel for schedule(static) if (rows * width * channels > parallel_grain)
  for (std::int64_t r = 0; r < rows; ++r) {
    Y* target = y + r * width * channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      const float* source = x + (c * rows + r) * width;
      for (std::int64_t w = 0; w < width; ++w)
        write_element(target + w * channels + c, f(source[w], c));
    }
  }
}

/// y[c, t, h, w] = f(x[t, h, w, c], c).
template <class X, class F>
void channels_to_first(const X* x, float* y, const ConstView& x_view, F f) {
  const std::int64_t rows = x_view.shape[0] * x_view.shape[1];
  const std::int64_t width = x_view.shape[2], channels = x_view.shape[3];
#pragma omp parallel for schedule(static) if (rows * width * channels > parallel_grain)
  for (std::int64_t r = 0; r < rows; ++r) {
    const X* source = x + r * width * channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      float* target = y + (c * rows + r) * width;
      for (std::int64_t w = 0; w < width; ++w)
        target[w] = f(read_element(source + w * channels + c), c);
    }
  }
}

template <class Y>
void frames_of_all(const std::uint8_t* x, Y* y, std::int64_t size) {
#pragma omp parallel for schedule(static) if (size > parallel_grain)
  for (std::int64_t i = 0; i < size; ++i)
    write_element(y + i, static_cast<float>(x[i]) / 127.5f - 1.0f);
}

}  // namespace

Status upsample_nearest_2x(ConstView x, View y, Stream) {
  if (x.rank != 4 || !x.is_contiguous()) return Status::bad_shape;
  const std::int64_t rows = x.shape[0] * x.shape[1], width = x.shape[2];
  if (!has_shape(y, x.shape[0], 2 * x.shape[1], 2 * width, x.shape[3])) return Status::bad_shape;
  if (!is_f32_or_bf16(x.type) || x.type != y.type) return Status::unsupported_type;
  const auto pixel = static_cast<std::size_t>(x.shape[3]) * bytes_of(x.type);
  const auto row = static_cast<std::size_t>(width) * pixel;
  const auto* source = static_cast<const char*>(x.data);
  auto* target = static_cast<char*>(y.data);
#pragma omp parallel for schedule(static) if (x.size() > parallel_grain)
  for (std::int64_t r = 0; r < rows; ++r) {
    const char* from = source + static_cast<std::size_t>(r) * row;
    char* to = target + static_cast<std::size_t>(r) * 4 * row;
    for (std::size_t offset = 0; offset < row; offset += pixel) {
      __builtin_memcpy(to + 2 * offset, from + offset, pixel);
      __builtin_memcpy(to + 2 * offset + pixel, from + offset, pixel);
    }
    __builtin_memcpy(to + 2 * row, to, 2 * row);
  }
  return Status::ok;
}

Status interleave_time(ConstView x, View y, Stream) {
  if (x.rank != 4 || x.shape[3] % 2 != 0 || !x.is_contiguous()) return Status::bad_shape;
  const std::int64_t time = x.shape[0], pixels = x.shape[1] * x.shape[2];
  if (!has_shape(y, 2 * time, x.shape[1], x.shape[2], x.shape[3] / 2)) return Status::bad_shape;
  if (!is_f32_or_bf16(x.type) || x.type != y.type) return Status::unsupported_type;
  const auto half = static_cast<std::size_t>(x.shape[3] / 2) * bytes_of(x.type);
  const auto frame = static_cast<std::size_t>(pixels) * half;
  const auto* source = static_cast<const char*>(x.data);
  auto* target = static_cast<char*>(y.data);
#pragma omp parallel for collapse(2) schedule(static) if (x.size() > parallel_grain)
  for (std::int64_t t = 0; t < time; ++t) {
    for (std::int64_t p = 0; p < pixels; ++p) {
      const char* from = source + static_cast<std::size_t>(t * pixels + p) * 2 * half;
      char* to =
          target + static_cast<std::size_t>(2 * t) * frame + static_cast<std::size_t>(p) * half;
      __builtin_memcpy(to, from, half);
      __builtin_memcpy(to + frame, from + half, half);
    }
  }
  return Status::ok;
}

Status to_channels_last(const ChannelArgs& args, Stream) {
  const ConstView& x = args.x;
  if (x.rank != 4 || !x.is_contiguous()) return Status::bad_shape;
  if (!has_shape(args.y, x.shape[1], x.shape[2], x.shape[3], x.shape[0])) return Status::bad_shape;
  if (x.type != ElementType::f32) return Status::unsupported_type;
  const float* scale = args.scale;
  const float* shift = args.shift;
  return with_types(x.type, x.data, args.y.type, args.y.data, [&](auto* source, auto* target) {
    if constexpr (sizeof(*source) == sizeof(float)) {
      channels_to_last(source, target, args.y, [=](float value, std::int64_t c) {
        if (scale != nullptr) value *= scale[c];
        return shift != nullptr ? value + shift[c] : value;
      });
    }
  });
}

Status to_channels_first(const ChannelArgs& args, Stream) {
  const ConstView& x = args.x;
  if (x.rank != 4 || !x.is_contiguous()) return Status::bad_shape;
  if (!has_shape(args.y, x.shape[3], x.shape[0], x.shape[1], x.shape[2])) return Status::bad_shape;
  if (args.y.type != ElementType::f32) return Status::unsupported_type;
  const float* scale = args.scale;
  const float* shift = args.shift;
  return with_types(x.type, x.data, args.y.type, args.y.data, [&](auto* source, auto* target) {
    if constexpr (sizeof(*target) == sizeof(float)) {
      channels_to_first(source, target, x, [=](float value, std::int64_t c) {
        if (shift != nullptr) value += shift[c];
        return scale != nullptr ? value * scale[c] : value;
      });
    }
  });
}

Status rgb8_to_frames(ConstView x, View y, Stream) {
  if (!are_frames(x, y)) return Status::bad_shape;
  if (x.type != ElementType::u8 || !is_f32_or_bf16(y.type)) return Status::unsupported_type;
  const auto* source = static_cast<const std::uint8_t*>(x.data);
  if (y.type == ElementType::f32) {
    frames_of_all(source, static_cast<float*>(y.data), x.size());
  } else {
    frames_of_all(source, static_cast<bfloat16*>(y.data), x.size());
  }
  return Status::ok;
}

}  // namespace causeway::kernels::CAUSEWAY_ISA
