// HTML character references ("&amp;", "&#65;") in text, decoded by two rules.
#include "model/html_entities.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

#include "model/html_entity_table.hpp"

namespace causeway {
namespace {

using Text = std::u32string_view;

constexpr std::size_t longest_name = 32;        // html.unescape looks no further than this
constexpr std::size_t longest_plain_name = 24;  // ftfy's bound
constexpr char32_t replacement_character = 0xFFFD;

constexpr char32_t windows_1252[32] = {
    0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }
bool is_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hex_digit(char32_t c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

unsigned digit_value(char32_t c) {
  return is_digit(c) ? static_cast<unsigned>(c - '0')
                     : static_cast<unsigned>((c | 0x20) - 'a') + 10;
}

std::optional<Text> find_name(std::span<const HtmlEntity> table, std::string_view name) {
  const auto at = std::lower_bound(
      table.begin(), table.end(), name,
      [](const HtmlEntity& entity, std::string_view wanted) { return entity.name < wanted; });
  if (at == table.end() || at->name != name) return std::nullopt;
  return at->text;
}

// The character of a numeric reference; empty for code points that the standard drops.
std::u32string numbered_character(std::uint32_t number) {
  if (number >= 0x80 && number <= 0x9F) return {windows_1252_character(number)};
  if (number == 0 || (number >= 0xD800 && number <= 0xDFFF) || number > 0x10FFFF) {
    return {replacement_character};
  }
  const bool control =
      (number < 0x20 && number != '\t' && number != '\n' && number != '\f' && number != '\r') ||
      number == 0x7F;
  const bool not_a_character =
      (number >= 0xFDD0 && number <= 0xFDEF) || (number & 0xFFFE) == 0xFFFE;
  if (control || not_a_character) return {};
  return {static_cast<char32_t>(number)};
}

// A reference at the start of a text: how many characters it takes, and what it stands for.
struct Reference {
  std::size_t length = 0;
  std::u32string meaning;
};

// "&#65;" or "&#x41;", the ';' being optional. `text` begins with "&#".
std::optional<Reference> numeric_reference(Text text) {
  const bool hexadecimal = text.size() > 2 && (text[2] == 'x' || text[2] == 'X');
  const std::size_t first = hexadecimal ? 3 : 2;
  std::size_t end = first;
  std::uint32_t number = 0;
  while (end < text.size() && (hexadecimal ? is_hex_digit(text[end]) : is_digit(text[end]))) {
    const std::uint32_t base = hexadecimal ? 16 : 10;
    number = std::min<std::uint32_t>(number * base + digit_value(text[end]), 0x110000);
    ++end;
  }
  if (end == first) return std::nullopt;
  if (end < text.size() && text[end] == ';') ++end;
  return Reference{end, numbered_character(number)};
}

// "&amp;" or the longest known name that the text after '&' begins with. `text` begins with '&'.
std::optional<Reference> named_reference(Text text) {
  std::string name;
  for (const char32_t c : text.substr(1)) {
    if (c == ';' || name.size() == longest_name) {
      if (c == ';') name += ';';
      break;
    }
    if (c >= 0x80 || c == '\t' || c == '\n' || c == '\f' || c == ' ' || c == '<' || c == '&' ||
        c == '#') {
      break;
    }
    name += static_cast<char>(c);
  }
  for (std::size_t length = name.size(); length >= 2; --length) {
    if (const auto meaning =
            find_name(html5_entities(), std::string_view(name).substr(0, length))) {
      return Reference{length + 1, std::u32string(*meaning)};
    }
  }
  return std::nullopt;
}

// "&amp;", "&AMP;", "&#65;": at most 24 letters and digits, then ';'. `text` begins with '&'.
std::optional<Reference> unambiguous_reference(Text text) {
  const bool numeric = text.size() > 1 && text[1] == '#';
  const std::size_t first = numeric ? 2 : 1;
  std::size_t end = first;
  while (end < text.size() && end - first < longest_plain_name &&
         (is_digit(text[end]) || is_letter(text[end]))) {
    ++end;
  }
  if (end == first || end == text.size() || text[end] != ';') return std::nullopt;
  ++end;
  if (numeric) {
    const auto reference = numeric_reference(text);
    if (!reference || reference->length != end || reference->meaning == U";") return std::nullopt;
    return reference;
  }
  const std::string name(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(end));
  auto meaning = find_name(html5_entities(), name);
  if (!meaning) meaning = find_name(capital_entities(), name);
  if (!meaning) return std::nullopt;
  return Reference{end, std::u32string(*meaning)};
}

template <class Decode>
std::u32string replace_references(Text text, Decode decode) {
  std::u32string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t ampersand = std::min(text.find(U'&'), text.size());
    result.append(text.substr(0, ampersand));
    text.remove_prefix(ampersand);
    if (text.empty()) break;
    if (const std::optional<Reference> reference = decode(text)) {
      result.append(reference->meaning);
      text.remove_prefix(reference->length);
    } else {
      result.push_back(U'&');
      text.remove_prefix(1);
    }
  }
  return result;
}

}  // namespace

char32_t windows_1252_character(char32_t code) { return windows_1252[code - 0x80]; }

std::u32string html_unescape(Text text) {
  return replace_references(text, [](Text rest) {
    return rest.size() > 1 && rest[1] == U'#' ? numeric_reference(rest) : named_reference(rest);
  });
}

std::u32string html_unescape_unambiguous(Text text) {
  return replace_references(text, unambiguous_reference);
}

}  // namespace causeway
