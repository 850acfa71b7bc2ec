// UTF-8 and code points, there and back.
#include "model/code_points.hpp"

#include <utf8proc.h>

#include <array>

#include "core/error.hpp"

namespace causeway {
namespace {

// Calls `visit(code point)` for each; false at the first byte that is not UTF-8.
template <class Visit>
bool for_each_code_point(std::string_view utf8, Visit visit) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(utf8.data());
  for (std::size_t at = 0; at < utf8.size();) {
    utf8proc_int32_t code_point = -1;
    const auto length =
        utf8proc_iterate(bytes + at, static_cast<utf8proc_ssize_t>(utf8.size() - at), &code_point);
    if (length <= 0) return false;
    visit(static_cast<char32_t>(code_point));
    at += static_cast<std::size_t>(length);
  }
  return true;
}

}  // namespace

std::u32string decode_utf8(std::string_view utf8) {
  std::u32string text;
  text.reserve(utf8.size());
  const bool valid = for_each_code_point(utf8, [&](char32_t c) { text.push_back(c); });
  expects(valid, "text is valid UTF-8 once it was read");
  return text;
}

std::string encode_utf8(std::u32string_view text) {
  std::string utf8;
  utf8.reserve(text.size());
  for (const char32_t c : text) {
    std::array<utf8proc_uint8_t, 4> bytes;
    const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes.data());
    utf8.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(length));
  }
  return utf8;
}

}  // namespace causeway
