// Reading single values strictly: nothing is guessed, and every refusal says what would be right.
#include "batch/key_readers.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

#include "core/nearest_word.hpp"
#include "batch/text_file.hpp"

namespace causeway {
namespace {

/// True after complaining if `value` is no plain scalar. `wanted` says what is: "a whole number".
bool not_plain(KeyReading& reading, const ConfigValue& value, std::string_view wanted) {
  if (value.kind == ConfigValue::Kind::null ||
      (value.text.empty() && value.items.empty() && value.entries.empty())) {
    reading.complain(value, "there is nothing where a value is expected",
                     fmt::format("write {}, or remove the key to have its default", wanted));
    return true;
  }
  if (value.kind != ConfigValue::Kind::scalar) {
    reading.complain(value, "one value is expected", fmt::format("write {}", wanted));
    return true;
  }
  if (value.quoted) {
    reading.complain(value, "in quotes it is a text",
                     fmt::format("write {} without quotes", wanted));
    return true;
  }
  return false;
}

/// The whole text as a finite decimal number, or nothing.
std::optional<double> decimal(std::string_view text) {
  if (text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return std::nullopt;
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// The number that hexadecimal text (0x…) means; such text is refused, with this number as advice.
std::optional<std::uint64_t> hexadecimal(std::string_view text) {
  if (!text.starts_with("0x") && !text.starts_with("0X")) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), number, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// The choice that somebody who wrote `word` meant: its other name, or else the nearest in
/// spelling.
std::string meant_word(const std::string& word, const std::vector<std::string>& choices) {
  static const std::vector<std::pair<std::string_view, std::string_view>> other_names{
      {"gpu", "cuda"},     {"nvidia", "cuda"},  {"float32", "fp32"},  {"float32", "f32"},
      {"float16", "f16"},  {"half", "f16"},     {"bfloat16", "bf16"}, {"h264", "libx264"},
      {"h265", "libx265"}, {"hevc", "libx265"}, {"av1", "libsvtav1"}};
  for (const auto& [other, name] : other_names) {
    if (word == other && std::find(choices.begin(), choices.end(), name) != choices.end()) {
      return std::string(name);
    }
  }
  return nearest_word(word, choices);
}

bool infinite_or_nan(std::string_view text) {
  std::string word(text);
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  word.erase(std::remove_if(word.begin(), word.end(),
                            [](char c) { return c == '.' || c == '-' || c == '+'; }),
             word.end());
  return word == "inf" || word == "infinity" || word == "nan";
}

/// Complains about text that is no whole number in decimal digits.
template <class Number>
void complain_not_whole(KeyReading& reading, const ConfigValue& value, Number least, Number most) {
  const std::string range = fmt::format("write a whole number from {} to {}", least, most);
  const auto number = decimal(value.text);
  if (const auto hex = hexadecimal(value.text)) {
    reading.complain(value, "numbers are decimal", fmt::format("write {}", *hex));
  } else if (infinite_or_nan(value.text)) {
    reading.complain(value, "not a finite number", range);
  } else if (number && std::abs(*number) < 1e15) {
    const double nearest =
        std::clamp(std::round(*number), static_cast<double>(least), static_cast<double>(most));
    reading.complain(value, "not a whole number in decimal digits",
                     fmt::format("nearest valid: {}", static_cast<Number>(nearest)));
  } else {
    reading.complain(value, "not a whole number", range);
  }
}

/// True if the text is a sign or none and decimal digits; complains if not. Leading zeros are
/// refused, because YAML 1.1 reads octal.
template <class Number>
bool is_whole(KeyReading& reading, const ConfigValue& value, Number least, Number most) {
  std::string_view digits = value.text;
  if (digits.starts_with('+') || digits.starts_with('-')) digits.remove_prefix(1);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    complain_not_whole(reading, value, least, most);
    return false;
  }
  if (digits.size() < 2 || digits[0] != '0') return true;
  reading.complain(value, "leading zeros mean octal to some YAML readers",
                   fmt::format("write {}", digits.substr(std::min(digits.find_first_not_of('0'),
                                                                  digits.size() - 1))));
  return false;
}

}  // namespace

std::optional<std::int64_t> read_whole(KeyReading& reading, const ConfigValue& value,
                                       std::int64_t least, std::int64_t most) {
  if (not_plain(reading, value, fmt::format("a whole number from {} to {}", least, most))) {
    return std::nullopt;
  }
  if (!is_whole(reading, value, least, most)) return std::nullopt;
  std::string_view text = value.text;
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t number = 0;
  const auto error = std::from_chars(text.data(), text.data() + text.size(), number).ec;
  if (error != std::errc()) number = text.starts_with('-') ? INT64_MIN : INT64_MAX;
  if (error != std::errc() || number < least || number > most) {
    reading.complain(value, fmt::format("out of range: from {} to {}", least, most),
                     fmt::format("nearest valid: {}", std::clamp(number, least, most)));
    return std::nullopt;
  }
  return number;
}

std::optional<std::uint64_t> read_unsigned(KeyReading& reading, const ConfigValue& value) {
  constexpr std::uint64_t most = UINT64_MAX;
  if (not_plain(reading, value, fmt::format("a whole number from 0 to {}", most)))
    return std::nullopt;
  if (!is_whole<std::uint64_t>(reading, value, 0, most)) return std::nullopt;
  std::string_view text = value.text;
  if (text.starts_with('+')) text.remove_prefix(1);
  const bool negative = text.starts_with('-');
  std::uint64_t number = 0;
  const auto error = negative ? std::errc::result_out_of_range
                              : std::from_chars(text.data(), text.data() + text.size(), number).ec;
  if (error != std::errc()) {
    reading.complain(value, fmt::format("out of range: from 0 to {}", most),
                     fmt::format("nearest valid: {}", negative ? 0 : most));
    return std::nullopt;
  }
  return number;
}

std::optional<double> read_real(KeyReading& reading, const ConfigValue& value, double least,
                                double most) {
  if (not_plain(reading, value, fmt::format("a number from {} to {}", least, most)))
    return std::nullopt;
  const auto number = decimal(value.text);
  if (!number) {
    const auto hex = hexadecimal(value.text);
    reading.complain(value,
                     hex                           ? "numbers are decimal"
                     : infinite_or_nan(value.text) ? "not a finite number"
                                                   : "not a decimal number that can be represented",
                     hex ? fmt::format("write {}", *hex)
                         : fmt::format("write a number from {} to {}", least, most));
    return std::nullopt;
  }
  if (*number < least || *number > most) {
    reading.complain(value, fmt::format("out of range: from {} to {}", least, most),
                     fmt::format("nearest valid: {}", std::clamp(*number, least, most)));
    return std::nullopt;
  }
  return number;
}

std::optional<bool> read_switch(KeyReading& reading, const ConfigValue& value) {
  if (not_plain(reading, value, "true or false")) return std::nullopt;
  std::string word = value.text;
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (word == "true") return true;
  if (word == "false") return false;
  const bool yes = word == "yes" || word == "on" || word == "1" || word == "y";
  const bool no = word == "no" || word == "off" || word == "0" || word == "n";
  reading.complain(value, "neither true nor false",
                   yes  ? "nearest valid: true"
                   : no ? "nearest valid: false"
                        : "write true or false");
  return std::nullopt;
}

std::optional<std::size_t> read_word(KeyReading& reading, const ConfigValue& value,
                                     const std::vector<std::string>& choices) {
  const std::string list = fmt::format("{}", fmt::join(choices, ", "));
  if (value.kind != ConfigValue::Kind::scalar || value.text.empty()) {
    not_plain(reading, value, "one of " + list);
    return std::nullopt;
  }
  const auto found = std::find(choices.begin(), choices.end(), value.text);
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  const std::string near = meant_word(value.text, choices);
  reading.complain(value, fmt::format("one of {} is expected", list),
                   near.empty() ? "choose one of them" : "nearest valid: " + near);
  return std::nullopt;
}

std::optional<std::string> read_text(KeyReading& reading, const ConfigValue& value) {
  if (value.kind != ConfigValue::Kind::scalar) {
    reading.complain(value, "a text is expected", "write one, \"\" for none");
  } else if (value.text.find('\0') != std::string::npos || first_invalid_utf8(value.text)) {
    reading.complain(value, "NUL bytes and bytes that are not UTF-8 cannot be handed on",
                     "remove them");
  } else {
    return value.text;
  }
  return std::nullopt;
}

std::optional<std::string> read_path(KeyReading& reading, const ConfigValue& value) {
  const auto text = read_text(reading, value);
  if (!text || text->empty()) return text;
  if (text->starts_with('~')) {
    reading.complain(value, "only a shell turns ~ into a home folder", "write the full path");
    return std::nullopt;
  }
  const auto path = std::filesystem::absolute(reading.folder() / *text).lexically_normal();
  // "folder/" and "folder" are the same folder, and are named alike.
  return (path.has_filename() || !path.has_relative_path() ? path : path.parent_path()).string();
}

}  // namespace causeway
