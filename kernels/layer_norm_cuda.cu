// LayerNorm, also in one pass with the gated sum that it is of.
#include "kernels/cuda_backend.hpp"
#include "kernels/cuda_libraries.hpp"
#include "kernels/vector_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

/// X: float, or const float where it stays as it is.
template <class X, class Y, bool whole>
struct LayerNormRow {
  X* x;
  Y* y;
  std::int64_t width, x_stride, y_stride;
  const float *scale, *shift;
  float extra, eps;  ///< extra: 1 where the scale is given as scale − 1
  float per_column;  ///< 1 / width: a division takes registers that some GPUs spill then
  __device__ void operator()(std::int64_t row, int lane) const {
    finish(row, lane, row_sum<whole>(x + row * x_stride, width, lane, [](float sum, float value) {
             return sum + value;
           }));
  }
  /// The rest, when the row's sum is known.
  __device__ void finish(std::int64_t row, int lane, float sum) const {
    const float* from = x + row * x_stride;
    const float mean = sum * per_column;
    const float squares = row_sum<whole>(from, width, lane, [mean](float so_far, float value) {
      const float distance = value - mean;
      return fmaf(distance, distance, so_far);
    });
    const float inverse = 1.0f / sqrtf(squares * per_column + eps);
    const float more = extra;
    map_row<whole>(
        from, y + row * y_stride, width, lane,
        [=](float value, float factor, float added) {
          return (value - mean) * inverse * (factor + more) + added;
        },
        scale, shift);
  }
};

/// A gated sum whose norm is taken while the row is at hand: 2 + 4 bytes read (update, sum) and
/// 4 + 2 written per column in bf16, where two kernels move 2 + 4 + 4 and 4 + 2. The update lies in
/// y, where a lane reads and writes the same columns.
template <class Y, bool whole>
struct GatedSumNormRow {
  const float *bias, *gate;
  LayerNormRow<float, Y, whole> norm;  ///< of the sums, its x
  __device__ void operator()(std::int64_t row, int lane) const {
    const Y* from = norm.y + row * norm.y_stride;
    float* to = norm.x + row * norm.x_stride;
    float row_total = 0.0f;
    each_group<whole>(norm.width, lane, [&](std::int64_t i, int count) {
      Group added = read_group<whole>(from + i, count);
      if (bias != nullptr) {
        change_group(
            added, [](float value, float more) { return value + more; },
            read_group<whole>(bias + i, count));
      }
      Group sum = read_group<whole>(to + i, count);
      change_group(
          sum, [](float value, float more, float factor) { return fmaf(factor, more, value); },
          added, read_group<whole>(gate + i, count));
      write_group<whole>(to + i, sum, count);
      row_total = add_group(row_total, sum, count, [](float a, float b) { return a + b; });
    });
    norm.finish(row, lane, warp_sum(row_total));
  }
};

template <bool whole, class X, class Y>
LayerNormRow<X, Y, whole> layer_norm_row(const LayerNormArgs& args, X* x, Y* y) {
  return {x,
          y,
          args.x.shape[1],
          args.x.stride[0],
          args.y.stride[0],
          args.scale,
          args.shift,
          args.one_plus_scale ? 1.0f : 0.0f,
          args.eps,
          1.0f / static_cast<float>(args.x.shape[1])};
}

}  // namespace

Status layer_norm(const LayerNormArgs& args, Stream stream) {
  const ConstView& x = args.x;
  if (!are_rows(x, args.y) || args.scale == nullptr || args.shift == nullptr) {
    return Status::bad_shape;
  }
  if (x.type != ElementType::f32) return Status::unsupported_type;
  return with_rows(
      x, args.y,
      [&](auto* y, auto whole) {
        return for_each_row(
            x.shape[0], stream,
            layer_norm_row<decltype(whole)::value>(args, static_cast<const float*>(x.data), y));
      },
      args.scale, args.shift);
}

Status add_gated_norm(const float* bias, const float* gate, View sum, const LayerNormArgs& norm,
                      Stream stream) {
  if (!is_sound(norm) || norm.x.data != sum.data || gate == nullptr) return Status::bad_shape;
  return with_rows(
      norm.x, norm.y,
      [&](auto* y, auto whole) {
        constexpr bool as_vectors = decltype(whole)::value;
        using Body = GatedSumNormRow<std::remove_cvref_t<decltype(*y)>, as_vectors>;
        return for_each_row(
            sum.shape[0], stream,
            Body{bias, gate, layer_norm_row<as_vectors>(norm, static_cast<float*>(sum.data), y)});
      },
      bias, gate, norm.scale, norm.shift);
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
