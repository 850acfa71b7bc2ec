// The tokenizer of the text encoder: cleaned prompts in, token ids out.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer_files.hpp"
#include "model/unigram.hpp"

namespace causeway {

/// The tokens of one prompt.
struct TokenizedPrompt {
  std::vector<std::int32_t> ids;  ///< [tokens], the last one is the end token; no padding
  std::int64_t full_length = 0;   ///< tokens before truncation, the end token included
  bool truncated = false;
};

/// umT5's tokenizer as its published `tokenizer.json` defines it, whichever file the vocabulary is
/// read from: special strings are cut out first, spaces become U+2581, one is put before the text,
/// each word that U+2581 begins is segmented alone (see UnigramModel), nothing is normalized,
/// unknown characters are not spelled in bytes. Immutable, so threads may share one.
class Tokenizer {
 public:
  /// Reads `tokenizer.json`, or `spiece.model` where only that exists, in a folder. Throws
  /// Error(input).
  static Tokenizer open(const std::string& folder);

  /// `text` is valid UTF-8, as `clean_prompt` returns it (else Error(internal)). Keeps the first
  /// `max_length` − 1 tokens and appends the end token; max_length ≥ 1.
  TokenizedPrompt encode(std::string_view text, std::int64_t max_length) const;

  std::int32_t unknown_id() const { return unknown_id_; }
  std::int32_t end_id() const { return end_id_; }
  std::int32_t padding_id() const { return padding_id_; }
  /// All ids are below this; the embedding needs as many rows at least.
  std::int64_t vocabulary_size() const { return vocabulary_size_; }
  /// Path of the file that was read.
  const std::string& file() const { return file_; }

 private:
  explicit Tokenizer(TokenizerVocabulary vocabulary);
  /// Index of the longest special string that `text` begins with, or −1.
  std::int32_t special_at(std::string_view text) const;
  /// Appends the ids of a stretch of text that has no special string in it.
  void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const;

  std::string file_;
  UnigramModel model_;
  std::vector<SpecialString> specials_;
  PrefixTree special_tree_;
  std::array<bool, 256> begins_special_{};  ///< whether a special string begins with this byte
  std::int32_t unknown_id_, end_id_, padding_id_;
  std::int64_t vocabulary_size_;
};

}  // namespace causeway
