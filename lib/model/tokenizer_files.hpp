// What a tokenizer's files say: the vocabulary and the special strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace causeway {

/// A string that is cut out of the text before anything else.
struct SpecialString {
  std::string content;
  std::int32_t id = 0;
  bool takes_left_space = false, takes_right_space = false;  ///< swallows the white space beside it
};

struct TokenizerVocabulary {
  std::string file;                 ///< path, for messages
  std::vector<std::string> pieces;  ///< valid UTF-8; the id is the index
  std::vector<double> scores;       ///< log-probabilities, finite
  std::vector<SpecialString> specials;
  std::int32_t unknown_id = 0, end_id = 0, padding_id = 0;
};

/// Reads a `tokenizer.json` of the Hugging Face `tokenizers` library that holds a Unigram
/// vocabulary. Its pipeline must be one that agrees with the published one on cleaned text; else,
/// and for a broken file, throws Error(input) with the path.
TokenizerVocabulary read_tokenizer_json(const std::string& path);

/// Reads the unigram vocabulary of a SentencePiece model (`spiece.model`), and adds the 300
/// sentinels of T5 behind it, `<extra_id_299>` first, unless it has them. Throws Error(input) with
/// the path.
TokenizerVocabulary read_sentencepiece_model(const std::string& path);

/// The bytes of a file; throws Error(input) when it cannot be read or is absurdly large.
std::string read_tokenizer_file(const std::string& path);

/// The index of a piece, −1 if it is none. Of equal pieces the last one counts.
std::int32_t find_piece(const TokenizerVocabulary& vocabulary, std::string_view piece);

/// Sets the ids of `</s>` and `<pad>`, be they special strings or mere pieces; Error(input) without
/// them.
void find_end_and_padding(TokenizerVocabulary& vocabulary);

}  // namespace causeway
