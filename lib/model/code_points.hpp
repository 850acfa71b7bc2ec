// UTF-8 and code points, there and back.
#pragma once

#include <string>
#include <string_view>

namespace causeway {

/// The code points of valid UTF-8; throws Error(internal) for any other bytes.
std::u32string decode_utf8(std::string_view utf8);

/// `text` has no surrogates and nothing above U+10FFFF.
std::string encode_utf8(std::u32string_view text);

}  // namespace causeway
