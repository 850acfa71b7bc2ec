// Sums, products and conversions, element by element, on the GPU.
#include "kernels/cuda_backend.hpp"
#include "kernels/elements_cuda.hpp"
#include "kernels/launch_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

struct Sum {
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Product {
  __device__ float operator()(float a, float b) const { return a * b; }
};

template <class A, class B, class Y, class Combine>
struct Combined {
  const A* a;
  const B* b;
  Y* y;
  Combine combine;
  __device__ void operator()(std::int64_t i) const {
    write_element(y + i, combine(read_element(a + i), read_element(b + i)));
  }
};

/// y = combine(a, b) in f32, rounded once to the type of y; y may be a or b.
template <class Combine>
Status combine_all(const ConstView& a, const ConstView& b, const View& y, Stream stream,
                   Combine combine) {
  const bool same = has_equal_extents(a, b) && has_equal_extents(a, y) && a.is_contiguous() &&
                    b.is_contiguous() && y.is_contiguous();
  if (!same) return Status::bad_shape;
  return with_types(a, y, [&](auto* left, auto* target) {
    return with_type(b.type, b.data, [&](auto* right) {
      using Body =
          Combined<std::remove_cvref_t<decltype(*left)>, std::remove_cvref_t<decltype(*right)>,
                   std::remove_cvref_t<decltype(*target)>, Combine>;
      return for_each_element(a.size(), stream, Body{left, right, target, combine});
    });
  });
}

template <class X, class Y>
struct Converted {
  const X* x;
  Y* y;
  std::int64_t width, x_stride, y_stride;
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t row = i / width, column = i % width;
    write_element(y + row * y_stride + column, read_element(x + row * x_stride + column));
  }
};

/// f(typed pointer) for f32, bf16 or f16 data.
template <class F>
Status with_stored_type(ElementType type, const void* data, F f) {
  if (type == ElementType::f16) return f(static_cast<const half_word*>(data));
  return with_type(type, data, f);
}
template <class F>
Status with_stored_type(ElementType type, void* data, F f) {
  if (type == ElementType::f16) return f(static_cast<half_word*>(data));
  return with_type(type, data, f);
}

}  // namespace

Status add(ConstView a, ConstView b, View y, Stream stream) {
  return combine_all(a, b, y, stream, Sum{});
}

Status multiply(ConstView a, ConstView b, View y, Stream stream) {
  return combine_all(a, b, y, stream, Product{});
}

Status convert(ConstView x, View y, Stream stream) {
  if (!has_equal_extents(x, y)) return Status::bad_shape;
  std::int64_t width = x.size(), x_stride = 0, y_stride = 0;  // one row
  if (!x.is_contiguous() || !y.is_contiguous()) {
    if (x.rank != 2 || x.stride[1] != 1 || y.stride[1] != 1) return Status::bad_shape;
    width = x.shape[1], x_stride = x.stride[0], y_stride = y.stride[0];
  }
  return with_stored_type(x.type, x.data, [&](auto* source) {
    return with_stored_type(y.type, y.data, [&](auto* target) {
      using Body =
          Converted<std::remove_cvref_t<decltype(*source)>, std::remove_cvref_t<decltype(*target)>>;
      return for_each_element(x.size(), stream, Body{source, target, width, x_stride, y_stride});
    });
  });
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
