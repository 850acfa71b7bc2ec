// How names and shapes that come from a file are shown in messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.hpp"

namespace causeway {

/// Text of a file, made safe to print: control characters as `\xNN`, cut at about 160 characters.
std::string shown(std::string_view text);

/// "[2, 3]"; a scalar is "[]".
std::string shape_text(const std::vector<std::int64_t>& shape);
std::string shape_text(const ConstView& view);

/// The shape of a view as a vector.
std::vector<std::int64_t> shape_of(const ConstView& view);

/// Up to `count` of `candidates` that are most like `wanted` (by edit distance), best first.
std::vector<std::string> nearest_names(std::string_view wanted,
                                       const std::vector<std::string>& candidates,
                                       std::size_t count);

}  // namespace causeway
