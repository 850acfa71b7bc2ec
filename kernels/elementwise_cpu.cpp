// Sums, products and conversions, element by element.
#include "kernels/cpu_backend.hpp"
#include "kernels/lanes_cpu.hpp"
#include "kernels/shape_checks.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

/// Elements are widened to f32 in blocks that stay in the first-level cache.
constexpr std::int64_t block = 1024;

template <class X, class Y>
void copy_row(const X* x, Y* y, std::int64_t count) {
  map_row(x, y, count, [](auto, Floats v) { return v; });
}

/// `count` elements of x from `first` on, as f32.
void read_block(const ConstView& x, std::int64_t first, std::int64_t count, float* values) {
  if (x.type == ElementType::f32) {
    copy_row(static_cast<const float*>(x.data) + first, values, count);
  } else if (x.type == ElementType::bf16) {
    copy_row(static_cast<const bfloat16*>(x.data) + first, values, count);
  } else {
    const auto* halves = static_cast<const std::uint16_t*>(x.data) + first;
    for (std::int64_t i = 0; i < count; ++i) values[i] = half_to_float(halves[i]);
  }
}

void write_block(const float* values, const View& y, std::int64_t first, std::int64_t count) {
  if (y.type == ElementType::f32) {
    copy_row(values, static_cast<float*>(y.data) + first, count);
  } else if (y.type == ElementType::bf16) {
    copy_row(values, static_cast<bfloat16*>(y.data) + first, count);
  } else {
    auto* halves = static_cast<std::uint16_t*>(y.data) + first;
    for (std::int64_t i = 0; i < count; ++i) halves[i] = float_to_half(values[i]);
  }
}

bool is_same_shape(const ConstView& a, const ConstView& b) {
  return has_equal_extents(a, b) && a.is_contiguous() && b.is_contiguous();
}

/// Matrices whose rows are contiguous but lie apart.
Status convert_rows(const ConstView& x, const View& y) {
  const std::int64_t rows = x.shape[0], width = x.shape[1];
#pragma omp parallel for schedule(static) if (rows * width > parallel_grain)
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t first = 0; first < width; first += block) {
      const std::int64_t count = width - first < block ? width - first : block;
      float values[block];
      read_block(x, row * x.stride[0] + first, count, values);
      write_block(values, y, row * y.stride[0] + first, count);
    }
  }
  return Status::ok;
}

/// y = combine(a, b) in f32, rounded once to the type of y; y may be a or b.
template <class Combine>
Status combine_all(const ConstView& a, const ConstView& b, const View& y, Combine combine) {
  if (!is_same_shape(a, b) || !is_same_shape(a, y)) return Status::bad_shape;
  if (!is_f32_or_bf16(a.type) || !is_f32_or_bf16(b.type) || !is_f32_or_bf16(y.type)) {
    return Status::unsupported_type;
  }
  const std::int64_t size = a.size();
#pragma omp parallel for schedule(static) if (size > parallel_grain)
  for (std::int64_t first = 0; first < size; first += block) {
    const std::int64_t count = size - first < block ? size - first : block;
    float left[block], right[block];
    read_block(a, first, count, left);
    read_block(b, first, count, right);
    for (std::int64_t i = 0; i < count; ++i) left[i] = combine(left[i], right[i]);
    write_block(left, y, first, count);
  }
  return Status::ok;
}

}  // namespace

Status add(ConstView a, ConstView b, View y, Stream) {
  return combine_all(a, b, y, [](float left, float right) { return left + right; });
}

Status multiply(ConstView a, ConstView b, View y, Stream) {
  return combine_all(a, b, y, [](float left, float right) { return left * right; });
}

Status convert(ConstView x, View y, Stream) {
  if (!has_equal_extents(x, y)) return Status::bad_shape;
  if (!is_stored_type(x.type) || !is_stored_type(y.type)) return Status::unsupported_type;
  if (!x.is_contiguous() || !y.is_contiguous()) {
    if (x.rank != 2 || x.stride[1] != 1 || y.stride[1] != 1) return Status::bad_shape;
    return convert_rows(x, y);
  }
  const std::int64_t size = x.size();
#pragma omp parallel for schedule(static) if (size > parallel_grain)
  for (std::int64_t first = 0; first < size; first += block) {
    const std::int64_t count = size - first < block ? size - first : block;
    float values[block];
    read_block(x, first, count, values);
    write_block(values, y, first, count);
  }
  return Status::ok;
}

}  // namespace causeway::kernels::CAUSEWAY_ISA
