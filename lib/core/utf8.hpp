// The check that text is UTF-8.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace causeway {

/// Offset of the first byte that is not part of valid UTF-8 (RFC 3629: no overlong forms, no
/// surrogates, nothing past U+10FFFF); none if all is valid.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

inline bool is_utf8(std::string_view text) { return !first_invalid_utf8(text).has_value(); }

}  // namespace causeway
