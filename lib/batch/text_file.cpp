// Reading text files, and validating UTF-8.
#include "batch/text_file.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>

namespace causeway {
namespace {

/// Bytes of the UTF-8 sequence at the start of `text` (not empty, first byte ≥ 0x80); 0 if it is
/// invalid.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;   // no overlong forms
    const unsigned high = first == 0xED ? 0x9F : 0xBF;  // no surrogates
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;  // nothing past U+10FFFF
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string read_text_file(const std::filesystem::path& path, std::string_view what, ExitCode code,
                           std::size_t most_bytes) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  require(status.type() != std::filesystem::file_type::not_found, code,
          "cannot read {} '{}' (there is no such file); check the path", what, path.string());
  require(!error, code, "cannot read {} '{}' ({}); check the path", what, path.string(),
          error.message());
  require(!std::filesystem::is_directory(status), code,
          "cannot read {} '{}' (it is a folder); give a file", what, path.string());
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  require(file.good(), code, "cannot read {} '{}' ({}); check its permissions", what, path.string(),
          std::strerror(errno));
  std::string text;
  const auto size = std::filesystem::file_size(path, error);
  if (!error && size <= most_bytes) text.reserve(size);
  char block[1 << 16];
  while (file.read(block, sizeof block), file.gcount() > 0) {
    text.append(block, static_cast<std::size_t>(file.gcount()));
    require(text.size() <= most_bytes, code,
            "cannot read {} '{}' (it is longer than {} bytes); is it the right file?", what,
            path.string(), most_bytes);
  }
  require(!file.bad(), code, "cannot read {} '{}' to its end ({}); check the file system", what,
          path.string(), std::strerror(errno));
  require(!text.starts_with("\xFF\xFE") && !text.starts_with("\xFE\xFF"), code,
          "cannot read {} '{}' (it is UTF-16); save it as UTF-8", what, path.string());
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
  constexpr std::uint64_t high_bits = 0x8080808080808080u;
  std::size_t at = 0;
  while (at < text.size()) {
    if (at + 8 <= text.size()) {
      std::uint64_t word;
      std::memcpy(&word, text.data() + at, 8);
      if ((word & high_bits) == 0) {
        at += 8;
        continue;
      }
    }
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = sequence_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

}  // namespace causeway
