// Reading little-endian numbers out of untrusted bytes, with the range checks that this needs.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/error.hpp"

namespace causeway {

static_assert(std::endian::native == std::endian::little,
              "checkpoints are little-endian and are used in place");

using Bytes = std::span<const std::byte>;

/// Whether [offset, offset + length) lies in `total` bytes; no sum can overflow.
constexpr bool lies_within(std::uint64_t offset, std::uint64_t length, std::uint64_t total) {
  return offset <= total && length <= total - offset;
}

/// The number at `offset`; the caller has checked that it lies within.
template <class T>
T load(Bytes bytes, std::uint64_t offset) {
  static_assert(std::is_trivially_copyable_v<T>);
  expects(lies_within(offset, sizeof(T), bytes.size()), "a number read from a file lies within it");
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The product of sizes that are not negative, or nothing where it leaves the range of int64. A
/// zero does not excuse the other sizes: whoever multiplies some of them (strides do) must not
/// overflow either.
inline std::optional<std::int64_t> checked_product(const std::vector<std::int64_t>& sizes) {
  std::int64_t product = 1;
  bool zero = false;
  for (const std::int64_t size : sizes) {
    if (size < 0) return std::nullopt;
    zero = zero || size == 0;
    const std::int64_t factor = size == 0 ? 1 : size;
    if (product > std::numeric_limits<std::int64_t>::max() / factor) return std::nullopt;
    product *= factor;
  }
  return zero ? 0 : product;
}

}  // namespace causeway
