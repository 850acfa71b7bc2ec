// Cleaning of prompts before the tokenizer, the way the published pipeline does it.
#include "model/text_cleaning.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "core/error.hpp"
#include "model/code_points.hpp"
#include "model/html_entities.hpp"

namespace causeway {
namespace {

using Text = std::u32string_view;

// NFC, or NFKC with `compatibility`.
std::u32string normalized(Text text, bool compatibility) {
  // Everything before U+0300 (the first combining mark) is in NFC already.
  if (!compatibility &&
      std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x300; })) {
    return std::u32string(text);
  }
  const std::string utf8 = encode_utf8(text);
  int options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
  if (compatibility) options |= UTF8PROC_COMPAT;
  utf8proc_uint8_t* output = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(utf8.data()),
                                   static_cast<utf8proc_ssize_t>(utf8.size()), &output,
                                   static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(output, &std::free);
  expects(length >= 0, "utf8proc normalizes any sequence of code points");
  return decode_utf8({reinterpret_cast<const char*>(output), static_cast<std::size_t>(length)});
}

// Bytes 0x80 … 0x9F that were taken for Latin-1 were meant as Windows-1252.
void fix_c1_controls(std::u32string& text) {
  for (char32_t& c : text) {
    if (c >= 0x80 && c <= 0x9F) c = windows_1252_character(c);
  }
}

// Digraphs and ligatures of Latin letters, taken apart; empty for any other character.
Text ligature_letters(char32_t c) {
  switch (c) {
    case 0x0132:
      return U"IJ";
    case 0x0133:
      return U"ij";
    case 0x0149:
      return U"\u02BCn";
    case 0x01C4:
      return U"D\u017D";
    case 0x01C5:
      return U"D\u017E";
    case 0x01C6:
      return U"d\u017E";
    case 0x01C7:
      return U"LJ";
    case 0x01C8:
      return U"Lj";
    case 0x01C9:
      return U"lj";
    case 0x01CA:
      return U"NJ";
    case 0x01CB:
      return U"Nj";
    case 0x01CC:
      return U"nj";
    case 0x01F1:
      return U"DZ";
    case 0x01F2:
      return U"Dz";
    case 0x01F3:
      return U"dz";
    case 0xFB00:
      return U"ff";
    case 0xFB01:
      return U"fi";
    case 0xFB02:
      return U"fl";
    case 0xFB03:
      return U"ffi";
    case 0xFB04:
      return U"ffl";
    case 0xFB05:
      return U"\u017Ft";
    case 0xFB06:
      return U"st";
    default:
      return {};
  }
}

constexpr char32_t first_width_form = 0xFF01, last_width_form = 0xFFEF;

// The normal form of a half-width or full-width character (U+FF01 … U+FFEF): its NFKC.
const std::u32string& normal_width(char32_t c) {
  static const auto table = [] {
    std::array<std::u32string, last_width_form - first_width_form + 1> forms;
    for (char32_t form = first_width_form; form <= last_width_form; ++form) {
      forms[form - first_width_form] = normalized({&form, 1}, true);
    }
    return forms;
  }();
  return table[c - first_width_form];
}

// Ligatures, then widths: no replacement of the one is touched by the other.
std::u32string fix_letter_forms(Text text) {
  std::u32string result;
  result.reserve(text.size());
  for (const char32_t c : text) {
    if (const Text letters = ligature_letters(c); !letters.empty()) {
      result += letters;
    } else if (c >= first_width_form && c <= last_width_form) {
      result += normal_width(c);
    } else {
      result += c == 0x3000 ? U' ' : c;
    }
  }
  return result;
}

void uncurl_quotes(std::u32string& text) {
  for (char32_t& c : text) {
    if (c >= 0x201C && c <= 0x201F) c = U'"';
    if (c == 0x02BC || (c >= 0x2018 && c <= 0x201B)) c = U'\'';
  }
}

std::u32string fix_line_breaks(Text text) {
  std::u32string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == U'\r' && i + 1 < text.size() && text[i + 1] == U'\n') continue;
    const bool line_break = c == U'\r' || c == 0x2028 || c == 0x2029 || c == 0x85;
    result += line_break ? U'\n' : c;
  }
  return result;
}

// Removes ESC [ (decimal digits of any script or ';')* (ASCII letter): colours and cursor
// movements.
std::u32string remove_terminal_escapes(Text text) {
  const auto is_parameter = [](char32_t c) {
    return c == U';' || utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND;
  };
  std::u32string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == 0x1B && i + 1 < text.size() && text[i + 1] == U'[') {
      std::size_t end = i + 2;
      while (end < text.size() && is_parameter(text[end])) ++end;
      const char32_t letter = end < text.size() ? text[end] | 0x20 : 0;
      if (letter >= U'a' && letter <= U'z') {
        i = end;
        continue;
      }
    }
    result += text[i];
  }
  return result;
}

bool is_unwanted_control(char32_t c) {
  return c <= 0x08 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
         (c >= 0x206A && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

// One segment (a line) to its fixed point: a step may make work for an earlier one ("&amp;lt;").
std::u32string fix_segment(Text segment, bool unescape) {
  std::u32string text(segment), before;
  do {
    before = text;
    if (unescape) text = html_unescape_unambiguous(text);
    fix_c1_controls(text);
    text = fix_letter_forms(text);
    uncurl_quotes(text);
    text = remove_terminal_escapes(fix_line_breaks(text));
    text.erase(std::remove_if(text.begin(), text.end(), is_unwanted_control), text.end());
    text = normalized(text, false);
  } while (text != before);
  return text;
}

// ftfy's `fix_text`. A '<' says that the text may be HTML: from its line on references stay.
std::u32string fix_text(Text text) {
  std::u32string result;
  result.reserve(text.size());
  bool unescape = true;
  while (!text.empty()) {
    const std::size_t line_feed = text.find(U'\n');
    const Text segment = text.substr(0, line_feed == Text::npos ? text.size() : line_feed + 1);
    unescape = unescape && segment.find(U'<') == Text::npos;
    result += fix_segment(segment, unescape);
    text.remove_prefix(segment.size());
  }
  return result;
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

// Every run of white space becomes one space; none is left at the ends.
std::u32string collapse_white_space(Text text) {
  std::u32string result;
  result.reserve(text.size());
  bool gap = false;
  for (const char32_t c : text) {
    if (is_white_space(c)) {
      gap = true;
      continue;
    }
    if (gap && !result.empty()) result += U' ';
    gap = false;
    result += c;
  }
  return result;
}

}  // namespace

std::string clean_prompt(std::string_view utf8) {
  const std::u32string fixed = fix_text(decode_utf8(utf8));
  return encode_utf8(collapse_white_space(html_unescape(html_unescape(fixed))));
}

}  // namespace causeway
