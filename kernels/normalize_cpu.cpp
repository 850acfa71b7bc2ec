// LayerNorm, RMSNorm, the norm of the VAE, and the pass from q or k to its rotated, packed form.
#include "kernels/cpu_backend.hpp"
#include "kernels/lanes_cpu.hpp"
#include "kernels/shape_checks.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

template <class T>
float sum_of_squares(const T* x, std::int64_t count) {
  return lane_sum(x, count, 0.0f, [](Floats v) { return v * v; });
}

/// Calls row(x row, y row) for every row, in parallel.
template <class Row>
Status for_rows(const ConstView& x, const View& y, Row row) {
  const std::int64_t rows = x.shape[0];
  const std::int64_t x_stride = x.stride[0], y_stride = y.stride[0];
  return with_types(x.type, x.data, y.type, y.data, [&](auto* x_data, auto* y_data) {
#pragma omp parallel for schedule(static) if (rows * x.shape[1] > parallel_grain)
    for (std::int64_t r = 0; r < rows; ++r) row(x_data + r * x_stride, y_data + r * y_stride);
  });
}

template <class X, class Y>
void layer_norm_row(const LayerNormArgs& args, const X* x, Y* y) {
  const std::int64_t width = args.x.shape[1];
  const float mean =
      lane_sum(x, width, 0.0f, [](Floats v) { return v; }) / static_cast<float>(width);
  const float variance =
      lane_sum(x, width, mean, [mean](Floats v) { return (v - mean) * (v - mean); }) /
      static_cast<float>(width);
  const float inverse = 1.0f / __builtin_sqrtf(variance + args.eps);
  const float extra = args.one_plus_scale ? 1.0f : 0.0f;
  const float* scale = args.scale;
  const float* shift = args.shift;
  map_row(x, y, width, [=](auto at, Floats v) {
    return (v - mean) * inverse * (at(scale) + extra) + at(shift);
  });
}

/// Token `token`, whose row is x: normalised over its whole width, then each head turned and put in
/// place.
template <class X, class Y>
void norm_rope_pack_token(const NormRopePackArgs& args, const X* x, std::int64_t token, Y* y) {
  const std::int64_t width = args.heads * args.head_dim;
  const std::int64_t heads_per_group = args.heads / args.head_groups;
  const float* weight = args.weight;
  const float* turn = args.cos_sin == nullptr ? nullptr : args.cos_sin + token * args.head_dim;
  float inverse = 1.0f;
  if (weight != nullptr) {
    inverse =
        1.0f / __builtin_sqrtf(sum_of_squares(x, width) / static_cast<float>(width) + args.eps);
  }
  Floats sign{};
  for (int l = 0; l < lanes; ++l) sign[l] = l % 2 == 0 ? -1.0f : 1.0f;
  for (std::int64_t head = 0; head < args.heads; ++head) {
    const std::int64_t group = head / heads_per_group;
    const std::int64_t slot = token * heads_per_group + head % heads_per_group;
    const float* head_weight = weight == nullptr ? nullptr : weight + head * args.head_dim;
    map_row(x + head * args.head_dim, y + group * args.group_stride + slot * args.head_dim,
            args.head_dim, [=](auto at, Floats v) {
              if (head_weight != nullptr) v = v * inverse * at(head_weight);
              if (turn == nullptr) return v;
              // (a, b) becomes (a·cos − b·sin, b·cos + a·sin).
              const Floats pair = at(turn);
              const Floats cosine = repeat_even(pair, LaneIndices{});
              const Floats sine = repeat_odd(pair, LaneIndices{}) * sign;
              return v * cosine + swap_lanes<1>(v, LaneIndices{}) * sine;
            });
  }
}

}  // namespace

Status layer_norm(const LayerNormArgs& args, Stream) {
  if (!are_rows(args.x, args.y)) return Status::bad_shape;
  if (args.scale == nullptr || args.shift == nullptr) return Status::bad_shape;
  if (args.x.type != ElementType::f32) return Status::unsupported_type;
  return for_rows(args.x, args.y, [&](auto* x, auto* y) { layer_norm_row(args, x, y); });
}

Status rms_norm(const RmsNormArgs& args, Stream) {
  if (!are_rows(args.x, args.y) || args.weight == nullptr) return Status::bad_shape;
  if (args.x.type != ElementType::f32) return Status::unsupported_type;
  const std::int64_t width = args.x.shape[1];
  const float* weight = args.weight;
  const float eps = args.eps;
  return for_rows(args.x, args.y, [=](auto* x, auto* y) {
    const float mean_square = sum_of_squares(x, width) / static_cast<float>(width);
    const float inverse = 1.0f / __builtin_sqrtf(mean_square + eps);
    map_row(x, y, width, [=](auto at, Floats v) { return v * inverse * at(weight); });
  });
}

Status gamma_norm(const GammaNormArgs& args, Stream) {
  if (!are_rows(args.x, args.y) || args.gamma == nullptr) return Status::bad_shape;
  const std::int64_t channels = args.x.shape[1];
  const float root = __builtin_sqrtf(static_cast<float>(channels));
  const float* gamma = args.gamma;
  const bool silu = args.silu;
  return for_rows(args.x, args.y, [=](auto* x, auto* y) {
    const float norm = __builtin_sqrtf(sum_of_squares(x, channels));
    const float factor = root / (norm < 1e-12f ? 1e-12f : norm);  // NaN stays NaN
    if (silu) {
      map_row(x, y, channels, [=](auto at, Floats v) { return silu_of(v * factor * at(gamma)); });
    } else {
      map_row(x, y, channels, [=](auto at, Floats v) { return v * factor * at(gamma); });
    }
  });
}

Status norm_rope_pack(const NormRopePackArgs& args, Stream) {
  const ConstView& x = args.x;
  if (!is_sound(args)) return Status::bad_shape;
  const std::int64_t tokens = x.shape[0];
  return with_types(x.type, x.data, args.y_type, args.y, [&](auto* x_data, auto* y_data) {
#pragma omp parallel for schedule(static) if (tokens * x.shape[1] > parallel_grain)
    for (std::int64_t t = 0; t < tokens; ++t) {
      norm_rope_pack_token(args, x_data + t * x.stride[0], t, y_data);
    }
  });
}

}  // namespace causeway::kernels::CAUSEWAY_ISA
