// The tokenizer of the text encoder: cleaned prompts in, token ids out.
#include "model/tokenizer.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/error.hpp"
#include "core/utf8.hpp"

namespace causeway {
namespace {

constexpr std::string_view word_mark = "\u2581";  // stands for a space, and begins every word

std::vector<std::string> contents(const std::vector<SpecialString>& specials) {
  std::vector<std::string> strings;
  for (const SpecialString& special : specials) strings.push_back(special.content);
  return strings;
}

TokenizerVocabulary read_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  const fs::path path(folder);
  std::error_code ignored;
  require(fs::is_directory(path, ignored), ExitCode::input,
          "tokenizer folder '{}' not found (it must be a directory); check the model's path",
          folder);
  if (fs::exists(path / "tokenizer.json", ignored)) {
    return read_tokenizer_json((path / "tokenizer.json").string());
  }
  require(fs::exists(path / "spiece.model", ignored), ExitCode::input,
          "tokenizer folder '{}' holds no vocabulary (looked for tokenizer.json and spiece.model); "
          "copy the tokenizer files of the published model there",
          folder);
  return read_sentencepiece_model((path / "spiece.model").string());
}

}  // namespace

Tokenizer Tokenizer::open(const std::string& folder) { return Tokenizer(read_folder(folder)); }

Tokenizer::Tokenizer(TokenizerVocabulary vocabulary)
    : file_(std::move(vocabulary.file)),
      model_(vocabulary.pieces, std::move(vocabulary.scores), vocabulary.unknown_id),
      specials_(std::move(vocabulary.specials)),
      special_tree_(contents(specials_)),
      unknown_id_(vocabulary.unknown_id),
      end_id_(vocabulary.end_id),
      padding_id_(vocabulary.padding_id),
      vocabulary_size_(static_cast<std::int64_t>(vocabulary.pieces.size())) {
  for (const SpecialString& special : specials_) {
    if (!special.content.empty()) {
      begins_special_[static_cast<unsigned char>(special.content[0])] = true;
    }
    vocabulary_size_ = std::max<std::int64_t>(vocabulary_size_, std::int64_t{special.id} + 1);
  }
}

std::int32_t Tokenizer::special_at(std::string_view text) const {
  std::int32_t longest = -1;
  if (begins_special_[static_cast<unsigned char>(text[0])]) {
    special_tree_.for_each_prefix(text, [&](std::size_t, std::int32_t index) { longest = index; });
  }
  return longest;
}

void Tokenizer::encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const {
  if (text.empty()) return;
  std::string marked;
  marked.reserve(text.size() + text.size() / 2 + word_mark.size());
  if (text[0] != ' ' && !text.starts_with(word_mark)) marked += word_mark;
  for (const char c : text) {
    if (c == ' ') {
      marked += word_mark;
    } else {
      marked += c;
    }
  }
  const std::string_view words = marked;
  for (std::size_t start = 0; start < words.size();) {
    const std::size_t end = std::min(words.find(word_mark, start + word_mark.size()), words.size());
    model_.segment(words.substr(start, end - start), ids);
    start = end;
  }
}

TokenizedPrompt Tokenizer::encode(std::string_view text, std::int64_t max_length) const {
  expects(max_length >= 1, "a prompt has room for its end token");
  expects(is_utf8(text), "a prompt is valid UTF-8 when it reaches the tokenizer");
  std::vector<std::int32_t> ids;
  std::size_t plain = 0;  // start of the stretch that is not encoded yet
  for (std::size_t at = 0; at < text.size();) {
    const std::int32_t index = special_at(text.substr(at));
    if (index < 0) {
      ++at;
      continue;
    }
    const SpecialString& special = specials_[static_cast<std::size_t>(index)];
    std::size_t end = at + special.content.size();
    while (special.takes_left_space && at > plain && text[at - 1] == ' ') --at;
    while (special.takes_right_space && end < text.size() && text[end] == ' ') ++end;
    encode_plain(text.substr(plain, at - plain), ids);
    ids.push_back(special.id);
    plain = at = end;
  }
  encode_plain(text.substr(plain), ids);

  TokenizedPrompt prompt;
  prompt.full_length = static_cast<std::int64_t>(ids.size()) + 1;
  prompt.truncated = prompt.full_length > max_length;
  if (prompt.truncated) ids.resize(static_cast<std::size_t>(max_length - 1));
  ids.push_back(end_id_);
  prompt.ids = std::move(ids);
  return prompt;
}

}  // namespace causeway
