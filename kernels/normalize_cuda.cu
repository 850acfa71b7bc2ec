// LayerNorm, RMSNorm, the norm of the VAE, and the pass from q or k to its rotated, packed form.
//
// A warp has a row. Its sums run over a lane's columns in order, then over the lanes in a tree, so
// that a row's bits depend on its own numbers and width alone.
#include "kernels/cuda_backend.hpp"
#include "kernels/elements_cuda.hpp"
#include "kernels/launch_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

template <class T>
__device__ float sum_of_squares(const T* x, std::int64_t width, int lane) {
  float sum = 0.0f;
  for (std::int64_t i = lane; i < width; i += warp_lanes) {
    const float value = read_element(x + i);
    sum = fmaf(value, value, sum);
  }
  return warp_sum(sum);
}

template <class X, class Y>
struct LayerNormRow {
  const X* x;
  Y* y;
  std::int64_t width, x_stride, y_stride;
  const float *scale, *shift;
  float extra, eps;  ///< extra: 1 where the scale is given as scale − 1
  __device__ void operator()(std::int64_t row, int lane) const {
    const X* from = x + row * x_stride;
    Y* to = y + row * y_stride;
    float sum = 0.0f;
    for (std::int64_t i = lane; i < width; i += warp_lanes) sum += read_element(from + i);
    const float mean = warp_sum(sum) / static_cast<float>(width);
    float squares = 0.0f;
    for (std::int64_t i = lane; i < width; i += warp_lanes) {
      const float distance = read_element(from + i) - mean;
      squares = fmaf(distance, distance, squares);
    }
    const float variance = warp_sum(squares) / static_cast<float>(width);
    const float inverse = 1.0f / sqrtf(variance + eps);
    for (std::int64_t i = lane; i < width; i += warp_lanes) {
      const float normal = (read_element(from + i) - mean) * inverse;
      write_element(to + i, normal * (scale[i] + extra) + shift[i]);
    }
  }
};

template <class X, class Y>
struct RmsNormRow {
  const X* x;
  Y* y;
  std::int64_t width, x_stride, y_stride;
  const float* weight;
  float eps;
  __device__ void operator()(std::int64_t row, int lane) const {
    const X* from = x + row * x_stride;
    Y* to = y + row * y_stride;
    const float mean_square = sum_of_squares(from, width, lane) / static_cast<float>(width);
    const float inverse = 1.0f / sqrtf(mean_square + eps);
    for (std::int64_t i = lane; i < width; i += warp_lanes) {
      write_element(to + i, read_element(from + i) * inverse * weight[i]);
    }
  }
};

template <class X, class Y>
struct GammaNormRow {
  const X* x;
  Y* y;
  std::int64_t width, x_stride, y_stride;
  const float* gamma;
  float root;  ///< √width
  bool silu;
  __device__ void operator()(std::int64_t row, int lane) const {
    const X* from = x + row * x_stride;
    Y* to = y + row * y_stride;
    const float norm = sqrtf(sum_of_squares(from, width, lane));
    const float factor = root / (norm < 1e-12f ? 1e-12f : norm);  // NaN stays NaN
    for (std::int64_t i = lane; i < width; i += warp_lanes) {
      const float value = read_element(from + i) * factor * gamma[i];
      write_element(to + i, silu ? value / (1.0f + expf(-value)) : value);
    }
  }
};

/// One token: normalised over its whole width, then each pair of columns turned and put in place.
template <class X, class Y>
struct NormRopePackToken {
  const X* x;
  Y* y;
  std::int64_t x_stride, heads_per_group, head_dim, group_stride, width;
  const float *weight, *cos_sin;
  float eps;
  __device__ void operator()(std::int64_t token, int lane) const {
    const X* from = x + token * x_stride;
    float inverse = 1.0f;
    if (weight != nullptr) {
      inverse = 1.0f / sqrtf(sum_of_squares(from, width, lane) / static_cast<float>(width) + eps);
    }
    // Pairs where there is a rotation, else single columns (head_dim may be odd then).
    const std::int64_t step = cos_sin == nullptr ? 1 : 2;
    for (std::int64_t i = lane * step; i < width; i += warp_lanes * step) {
      const std::int64_t head = i / head_dim, column = i % head_dim;
      Y* to = y + head / heads_per_group * group_stride +
              (token * heads_per_group + head % heads_per_group) * head_dim + column;
      const float a = normal(from, i, inverse);
      if (cos_sin == nullptr) {
        write_element(to, a);
        continue;
      }
      const float b = normal(from, i + 1, inverse);
      const float* turn = cos_sin + token * head_dim + column;
      write_element(to, a * turn[0] - b * turn[1]);
      write_element(to + 1, b * turn[0] + a * turn[1]);
    }
  }
  __device__ float normal(const X* from, std::int64_t i, float inverse) const {
    const float value = read_element(from + i);
    return weight == nullptr ? value : value * inverse * weight[i];
  }
};

}  // namespace

Status layer_norm(const LayerNormArgs& args, Stream stream) {
  const ConstView& x = args.x;
  if (!are_rows(x, args.y) || args.scale == nullptr || args.shift == nullptr) {
    return Status::bad_shape;
  }
  if (x.type != ElementType::f32) return Status::unsupported_type;
  return with_type(args.y.type, args.y.data, [&](auto* y) {
    using Body = LayerNormRow<float, std::remove_cvref_t<decltype(*y)>>;
    return for_each_row(
        x.shape[0], stream,
        Body{static_cast<const float*>(x.data), y, x.shape[1], x.stride[0], args.y.stride[0],
             args.scale, args.shift, args.one_plus_scale ? 1.0f : 0.0f, args.eps});
  });
}

Status rms_norm(const RmsNormArgs& args, Stream stream) {
  const ConstView& x = args.x;
  if (!are_rows(x, args.y) || args.weight == nullptr) return Status::bad_shape;
  if (x.type != ElementType::f32) return Status::unsupported_type;
  return with_type(args.y.type, args.y.data, [&](auto* y) {
    using Body = RmsNormRow<float, std::remove_cvref_t<decltype(*y)>>;
    return for_each_row(x.shape[0], stream,
                        Body{static_cast<const float*>(x.data), y, x.shape[1], x.stride[0],
                             args.y.stride[0], args.weight, args.eps});
  });
}

Status gamma_norm(const GammaNormArgs& args, Stream stream) {
  if (!are_rows(args.x, args.y) || args.gamma == nullptr) return Status::bad_shape;
  return with_types(args.x, args.y, [&](auto* x, auto* y) {
    using Body = GammaNormRow<std::remove_cvref_t<decltype(*x)>, std::remove_cvref_t<decltype(*y)>>;
    const std::int64_t width = args.x.shape[1];
    return for_each_row(args.x.shape[0], stream,
                        Body{x, y, width, args.x.stride[0], args.y.stride[0], args.gamma,
                             __builtin_sqrtf(static_cast<float>(width)), args.silu});
  });
}

Status norm_rope_pack(const NormRopePackArgs& args, Stream stream) {
  const ConstView& x = args.x;
  if (!is_sound(args)) return Status::bad_shape;
  return with_type(x.type, x.data, [&](auto* from) {
    return with_type(args.y_type, args.y, [&](auto* to) {
      using Body = NormRopePackToken<std::remove_cvref_t<decltype(*from)>,
                                     std::remove_cvref_t<decltype(*to)>>;
      return for_each_row(x.shape[0], stream,
                          Body{from, to, x.stride[0], args.heads / args.head_groups, args.head_dim,
                               args.group_stride, x.shape[1], args.weight, args.cos_sin, args.eps});
    });
  });
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
