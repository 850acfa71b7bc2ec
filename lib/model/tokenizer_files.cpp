// What a tokenizer's files say: the vocabulary and the special strings.
#include "model/tokenizer_files.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/error.hpp"

namespace causeway {
namespace {

constexpr std::uintmax_t largest_file = std::uintmax_t{1} << 28;  // bytes; umT5's has 17 million

// The id of `</s>` or `<pad>`, whether it is a special string or a mere piece.
std::int32_t required_id(const TokenizerVocabulary& vocabulary, const char* content) {
  for (const SpecialString& special : vocabulary.specials) {
    if (special.content == content) return special.id;
  }
  const std::int32_t id = find_piece(vocabulary, content);
  require(id >= 0, ExitCode::input, "{}: has no token '{}' (the text encoder needs it); {}",
          vocabulary.file, content, "take the tokenizer files of the published umT5 model");
  return id;
}

}  // namespace

std::string read_tokenizer_file(const std::string& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  require(!error, ExitCode::input, "{}: cannot be read ({}); check the file and its permissions",
          path, error.message());
  require(size <= largest_file, ExitCode::input,
          "{}: has {} bytes (a tokenizer has at most {}); is this the right file?", path, size,
          largest_file);
  std::ifstream file(path, std::ios::binary);
  std::string content(static_cast<std::size_t>(size), '\0');
  file.read(content.data(), static_cast<std::streamsize>(size));
  require(file.good(), ExitCode::input,
          "{}: cannot be read to its end; check the file and the disk", path);
  return content;
}

std::int32_t find_piece(const TokenizerVocabulary& vocabulary, std::string_view piece) {
  const auto at = std::find(vocabulary.pieces.rbegin(), vocabulary.pieces.rend(), piece);
  return static_cast<std::int32_t>(vocabulary.pieces.rend() - at) - 1;
}

void find_end_and_padding(TokenizerVocabulary& vocabulary) {
  vocabulary.end_id = required_id(vocabulary, "</s>");
  vocabulary.padding_id = required_id(vocabulary, "<pad>");
}

}  // namespace causeway
