// RMSNorm, the norm of the VAE, and the pass from q or k to its rotated, packed form.
#include "kernels/cuda_backend.hpp"
#include "kernels/vector_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

template <bool whole, class T>
__device__ float sum_of_squares(const T* x, std::int64_t width, int lane) {
  return row_sum<whole>(x, width, lane,
                        [](float sum, float value) { return fmaf(value, value, sum); });
}

template <class Y, bool whole>
struct RmsNormRow {
  const float* x;
  Y* y;
  std::int64_t width, x_stride, y_stride;
  const float* weight;
  float eps;
  __device__ void operator()(std::int64_t row, int lane) const {
    const float* from = x + row * x_stride;
    const float mean_square = sum_of_squares<whole>(from, width, lane) / static_cast<float>(width);
    const float inverse = 1.0f / sqrtf(mean_square + eps);
    map_row<whole>(
        from, y + row * y_stride, width, lane,
        [inverse](float value, float factor) { return value * inverse * factor; }, weight);
  }
};

template <class X, class Y, bool whole>
struct GammaNormRow {
  const X* x;
  Y* y;
  std::int64_t width, x_stride, y_stride;
  const float* gamma;
  float root;  ///< √width
  bool silu;
  __device__ void operator()(std::int64_t row, int lane) const {
    const X* from = x + row * x_stride;
    const float norm = sqrtf(sum_of_squares<whole>(from, width, lane));
    const float factor = root / (norm < 1e-12f ? 1e-12f : norm);  // NaN stays NaN
    const bool ends_in_silu = silu;
    map_row<whole>(
        from, y + row * y_stride, width, lane,
        [=](float x_value, float gamma_value) {
          const float value = x_value * factor * gamma_value;
          return ends_in_silu ? value / (1.0f + expf(-value)) : value;
        },
        gamma);
  }
};

/// One token: normalised over its whole width, then each pair of columns turned and put in place.
/// Groups are whole only where those of a head are.
template <class X, class Y, bool whole>
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
      inverse =
          1.0f / sqrtf(sum_of_squares<whole>(from, width, lane) / static_cast<float>(width) + eps);
    }
    each_group<whole>(width, lane, [&](std::int64_t i, int count) {
      Group group = read_group<whole>(from + i, count);
      if (weight != nullptr) {
        change_group(
            group, [&](float value, float factor) { return value * inverse * factor; },
            read_group<whole>(weight + i, count));
      }
      if (cos_sin != nullptr) turn(group, read_turns(token, i, count));
      write_in_place(token, i, group, count);
    });
  }
  /// (cos, sin) of the pairs in a group; heads are whole pairs where there is a rotation.
  __device__ Group read_turns(std::int64_t token, std::int64_t i, int count) const {
    const float* turns = cos_sin + token * head_dim;
    if constexpr (whole) {
      return read_group<whole>(turns + i % head_dim, count);
    } else {
      Group group{};
#pragma unroll
      for (int j = 0; j < group_columns; ++j) {
        if (j < count) group.at[j] = turns[(i + j) % head_dim];
      }
      return group;
    }
  }
  __device__ static void turn(Group& group, const Group& turns) {
#pragma unroll
    for (int j = 0; j < group_columns; j += 2) {
      const float a = group.at[j], b = group.at[j + 1];
      group.at[j] = a * turns.at[j] - b * turns.at[j + 1];
      group.at[j + 1] = b * turns.at[j] + a * turns.at[j + 1];
    }
  }
  __device__ void write_in_place(std::int64_t token, std::int64_t i, const Group& group,
                                 int count) const {
    if constexpr (whole) {
      write_group<whole>(place(token, i), group, count);
    } else {
#pragma unroll
      for (int j = 0; j < group_columns; ++j) {
        if (j < count) write_element(place(token, i + j), group.at[j]);
      }
    }
  }
  __device__ Y* place(std::int64_t token, std::int64_t i) const {
    const std::int64_t head = i / head_dim;
    return y + head / heads_per_group * group_stride +
           (token * heads_per_group + head % heads_per_group) * head_dim + i % head_dim;
  }
};

}  // namespace

Status rms_norm(const RmsNormArgs& args, Stream stream) {
  const ConstView& x = args.x;
  if (!are_rows(x, args.y) || args.weight == nullptr) return Status::bad_shape;
  if (x.type != ElementType::f32) return Status::unsupported_type;
  return with_rows(
      x, args.y,
      [&](auto* y, auto whole) {
        using Body = RmsNormRow<std::remove_cvref_t<decltype(*y)>, decltype(whole)::value>;
        return for_each_row(x.shape[0], stream,
                            Body{static_cast<const float*>(x.data), y, x.shape[1], x.stride[0],
                                 args.y.stride[0], args.weight, args.eps});
      },
      args.weight);
}

Status gamma_norm(const GammaNormArgs& args, Stream stream) {
  const ConstView& x = args.x;
  if (!are_rows(x, args.y) || args.gamma == nullptr) return Status::bad_shape;
  return with_type(x.type, x.data, [&](auto* from) {
    return with_rows(
        x, args.y,
        [&](auto* y, auto whole) {
          using Body = GammaNormRow<std::remove_cvref_t<decltype(*from)>,
                                    std::remove_cvref_t<decltype(*y)>, decltype(whole)::value>;
          const std::int64_t width = x.shape[1];
          return for_each_row(x.shape[0], stream,
                              Body{from, y, width, x.stride[0], args.y.stride[0], args.gamma,
                                   __builtin_sqrtf(static_cast<float>(width)), args.silu});
        },
        args.gamma);
  });
}

Status norm_rope_pack(const NormRopePackArgs& args, Stream stream) {
  const ConstView& x = args.x;
  if (!is_sound(args)) return Status::bad_shape;
  // The groups of heads are as rows: what lies between them matters.
  View groups = view_of(args.y, args.y_type, {args.head_groups, args.head_dim});
  groups.stride[0] = args.group_stride;
  return with_type(x.type, x.data, [&](auto* from) {
    return with_rows(
        x, groups,
        [&](auto* to, auto whole) {
          using Body =
              NormRopePackToken<std::remove_cvref_t<decltype(*from)>,
                                std::remove_cvref_t<decltype(*to)>, decltype(whole)::value>;
          return for_each_row(
              x.shape[0], stream,
              Body{from, to, x.stride[0], args.heads / args.head_groups, args.head_dim,
                   args.group_stride, x.shape[1], args.weight, args.cos_sin, args.eps});
        },
        args.weight, args.cos_sin);
  });
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
