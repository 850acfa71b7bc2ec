// The vocabulary in a tokenizer.json, read with the checks that it is one like umT5's.
#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "core/error.hpp"
#include "model/tokenizer_files.hpp"

namespace causeway {
namespace {

using Json = nlohmann::json;

constexpr std::string_view word_mark = "\u2581";

const char* const json_advice = "take tokenizer.json from the published umT5 model";

// The member of an object; null where there is none, and of anything that is no object.
const Json& member(const Json& object, const char* key) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto at = object.find(key);
  return at == object.end() ? none : *at;
}

std::string text_at(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

bool flag_at(const Json& object, const char* key, bool otherwise) {
  const Json& value = member(object, key);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

// Whether this is an integer in [0, end).
bool is_index(const Json& value, std::int64_t end) {
  return value.is_number_integer() && value >= 0 && value < end;
}

// Normalizers that change nothing in cleaned text, where no space is doubled or at an end.
bool is_identity_on_cleaned_text(const Json& normalizer) {
  if (normalizer.is_null()) return true;
  const std::string type = text_at(normalizer, "type");
  if (type == "Replace") return text_at(member(normalizer, "pattern"), "Regex") == " {2,}";
  if (type == "Precompiled") return text_at(normalizer, "precompiled_charsmap").empty();
  return type == "Strip";
}

bool are_identity_on_cleaned_text(const Json& normalizer) {
  if (text_at(normalizer, "type") != "Sequence") return is_identity_on_cleaned_text(normalizer);
  const Json& members = member(normalizer, "normalizers");
  return members.is_array() &&
         std::all_of(members.begin(), members.end(), is_identity_on_cleaned_text);
}

bool is_metaspace(const Json& pre_tokenizer) {
  const std::string scheme = text_at(pre_tokenizer, "prepend_scheme");
  return text_at(pre_tokenizer, "type") == "Metaspace" &&
         text_at(pre_tokenizer, "replacement") == word_mark &&
         flag_at(pre_tokenizer, "add_prefix_space", true) &&
         flag_at(pre_tokenizer, "split", true) &&
         (scheme.empty() || scheme == "always" || scheme == "first");
}

// Metaspace, also behind a split at white space: for cleaned text that is the same thing.
bool cuts_words_as_metaspace(const Json& pre_tokenizer) {
  if (text_at(pre_tokenizer, "type") != "Sequence") return is_metaspace(pre_tokenizer);
  const Json& members = member(pre_tokenizer, "pretokenizers");
  return members.is_array() && members.size() == 2 &&
         text_at(members[0], "type") == "WhitespaceSplit" && is_metaspace(members[1]);
}

// The type and the shape of the pipeline, before the vocabulary is looked at.
void check_pipeline(const Json& root, const std::string& path) {
  const Json& model = member(root, "model");
  require(model.is_object(), ExitCode::input,
          "{}: has no object \"model\" (this is no tokenizer.json); {}", path, json_advice);
  std::string type = text_at(model, "type");
  if (type.empty()) type = model.contains("unk_id") ? "Unigram" : "of no named type";
  require(type == "Unigram", ExitCode::input,
          "{}: its model is {} (the text encoder umT5 has a Unigram vocabulary); {}", path, type,
          json_advice);
  const Json& normalizer = member(root, "normalizer");
  require(are_identity_on_cleaned_text(normalizer), ExitCode::input,
          "{}: its normalizer is {} (umT5's changes nothing, this one would give other tokens); {}",
          path, text_at(normalizer, "type"), json_advice);
  const Json& pre_tokenizer = member(root, "pre_tokenizer");
  require(cuts_words_as_metaspace(pre_tokenizer), ExitCode::input,
          "{}: its pre_tokenizer is {} (umT5's is a Metaspace with U+2581 before each word); {}",
          path, pre_tokenizer.is_null() ? "missing" : "another one", json_advice);
}

void read_pieces(const Json& model, TokenizerVocabulary& vocabulary) {
  const std::string& path = vocabulary.file;
  const Json& vocab = member(model, "vocab");
  require(vocab.is_array() && !vocab.empty(), ExitCode::input,
          "{}: model.vocab is not a list of [piece, score] (a Unigram vocabulary is); {}", path,
          json_advice);
  vocabulary.pieces.reserve(vocab.size());
  vocabulary.scores.reserve(vocab.size());
  for (const Json& entry : vocab) {
    const bool good = entry.is_array() && entry.size() == 2 && entry[0].is_string() &&
                      entry[1].is_number() && std::isfinite(entry[1].get<double>());
    require(good, ExitCode::input,
            "{}: model.vocab[{}] is not [piece, score] (a string and a finite number); {}", path,
            vocabulary.pieces.size(), json_advice);
    vocabulary.pieces.push_back(entry[0].get<std::string>());
    vocabulary.scores.push_back(entry[1].get<double>());
  }
  const Json& unknown = member(model, "unk_id");
  const auto size = static_cast<std::int64_t>(vocabulary.pieces.size());
  require(is_index(unknown, size), ExitCode::input,
          "{}: model.unk_id is not an index of the {} pieces (unknown characters need one); {}",
          path, size, json_advice);
  vocabulary.unknown_id = unknown.get<std::int32_t>();
}

void read_specials(const Json& root, TokenizerVocabulary& vocabulary) {
  const std::string& path = vocabulary.file;
  const Json& tokens = member(root, "added_tokens");
  if (tokens.is_null()) return;
  require(tokens.is_array(), ExitCode::input, "{}: added_tokens is not a list; {}", path,
          json_advice);
  const auto size = static_cast<std::int64_t>(vocabulary.pieces.size());
  for (const Json& token : tokens) {
    const std::string content = text_at(token, "content");
    const Json& id = member(token, "id");
    require(!content.empty() && is_index(id, std::numeric_limits<std::int32_t>::max()),
            ExitCode::input, "{}: added_tokens[{}] lacks a content or a valid id; {}", path,
            vocabulary.specials.size(), json_advice);
    const auto number = id.get<std::int32_t>();
    require(number >= size || vocabulary.pieces[static_cast<std::size_t>(number)] == content,
            ExitCode::input, "{}: added token '{}' has id {} (the vocabulary has '{}' there); {}",
            path, content, number,
            number < size ? vocabulary.pieces[static_cast<std::size_t>(number)] : "", json_advice);
    require(!flag_at(token, "single_word", false), ExitCode::input,
            "{}: added token '{}' matches single words only (not supported; umT5 has none); {}",
            path, content, json_advice);
    vocabulary.specials.push_back(
        {content, number, flag_at(token, "lstrip", false), flag_at(token, "rstrip", false)});
  }
}

}  // namespace

TokenizerVocabulary read_tokenizer_json(const std::string& path) {
  const std::string content = read_tokenizer_file(path);
  TokenizerVocabulary vocabulary;
  vocabulary.file = path;
  try {
    const Json root = Json::parse(content);
    check_pipeline(root, path);
    read_pieces(root["model"], vocabulary);
    read_specials(root, vocabulary);
  } catch (const Json::exception& error) {
    // The library quotes what it read last, which may be a string of megabytes.
    fail(ExitCode::input, "{}: is not readable JSON ({:.300}); {}", path, error.what(),
         json_advice);
  }
  find_end_and_padding(vocabulary);
  return vocabulary;
}

}  // namespace causeway
