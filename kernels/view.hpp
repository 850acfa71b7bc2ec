// A borrowed view of numbers: pointer, element type, shape and strides.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

namespace causeway {

/// How one element is stored. `bf16` and `f16` are 16-bit words, never converted implicitly.
enum class ElementType : std::uint8_t { f32, bf16, f16, u8, i32, i64, f64 };

constexpr std::size_t bytes_of(ElementType type) {
  switch (type) {
    case ElementType::f64:
    case ElementType::i64:
      return 8;
    case ElementType::f32:
    case ElementType::i32:
      return 4;
    case ElementType::bf16:
    case ElementType::f16:
      return 2;
    case ElementType::u8:
      return 1;
  }
  return 0;
}

constexpr const char* name_of(ElementType type) {
  switch (type) {
    case ElementType::f32:
      return "f32";
    case ElementType::bf16:
      return "bf16";
    case ElementType::f16:
      return "f16";
    case ElementType::u8:
      return "u8";
    case ElementType::i32:
      return "i32";
    case ElementType::i64:
      return "i64";
    case ElementType::f64:
      return "f64";
  }
  return "?";
}

inline constexpr int max_rank = 6;

/// Memory that somebody else owns. Strides count elements, the last axis is usually the fastest.
template <class Pointer>
struct BasicView {
  Pointer data = nullptr;
  ElementType type = ElementType::f32;
  int rank = 0;
  std::array<std::int64_t, max_rank> shape{};
  std::array<std::int64_t, max_rank> stride{};

  std::int64_t size() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= shape[static_cast<std::size_t>(i)];
    return n;
  }
  bool is_contiguous() const {
    std::int64_t expected = 1;
    for (int i = rank - 1; i >= 0; --i) {
      const auto axis = static_cast<std::size_t>(i);
      if (shape[axis] != 1 && stride[axis] != expected) return false;
      expected *= shape[axis];
    }
    return true;
  }
  /// Whoever may write may read.
  template <class Other>
  requires(std::is_same_v<Other, const void*> && !std::is_same_v<Pointer, Other>)
  operator BasicView<Other>() const {
    return {data, type, rank, shape, stride};
  }
};

using View = BasicView<void*>;
using ConstView = BasicView<const void*>;

/// A contiguous view of `shape`, e.g. `view_of(p, ElementType::f32, {rows, columns})`.
template <class Pointer>
constexpr BasicView<Pointer> make_view(Pointer data, ElementType type, const std::int64_t* shape,
                                       int rank) {
  BasicView<Pointer> v;
  v.data = data;
  v.type = type;
  v.rank = rank;
  std::int64_t stride = 1;
  for (int i = rank - 1; i >= 0; --i) {
    const auto axis = static_cast<std::size_t>(i);
    v.shape[axis] = shape[i];
    v.stride[axis] = stride;
    stride *= shape[i];
  }
  return v;
}
inline View view_of(void* data, ElementType type, std::initializer_list<std::int64_t> shape) {
  return make_view<void*>(data, type, shape.begin(), static_cast<int>(shape.size()));
}
inline ConstView const_view_of(const void* data, ElementType type,
                               std::initializer_list<std::int64_t> shape) {
  return make_view<const void*>(data, type, shape.begin(), static_cast<int>(shape.size()));
}

}  // namespace causeway
