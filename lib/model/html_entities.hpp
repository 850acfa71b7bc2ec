// HTML character references ("&amp;", "&#65;") in text, decoded by two rules.
#pragma once

#include <string>
#include <string_view>

namespace causeway {

/// Decodes every reference as the HTML standard lets a browser do, also without a semicolon where
/// the standard allows that ("&notit;" → "¬it;"): the same as `html.unescape` of Python 3. Once
/// only: what comes out is not decoded again.
std::u32string html_unescape(std::u32string_view text);

/// Decodes the unambiguous references, those that end in ';', and names in capitals ("&NTILDE;"):
/// the same as `unescape_html` of ftfy 6. A reference that stands for ';' itself is left alone, as
/// there.
std::u32string html_unescape_unambiguous(std::u32string_view text);

/// What a browser makes of the codes 0x80 … 0x9F: the characters of Windows-1252, whose five holes
/// stay.
char32_t windows_1252_character(char32_t code);

}  // namespace causeway
