// The vocabulary in a SentencePiece model file.
#include <sentencepiece_processor.h>

#include <cmath>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

#include "core/error.hpp"
#include "core/utf8.hpp"
#include "model/tokenizer_files.hpp"

namespace causeway {
namespace {

constexpr int sentinel_count = 300;  // <extra_id_0> … <extra_id_299>

const char* const spiece_advice = "take spiece.model from the published umT5 model";

// A number in base 128, as protocol buffers write them; `at` moves behind it. False at the end of
// the data.
bool read_varint(std::string_view data, std::size_t& at, std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; at < data.size() && shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(data[at++]);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// The last value of a field in a protocol-buffer message: the number, or the bytes in `data`.
// Nothing if the message has no such field.
struct Field {
  std::uint64_t number = 0;
  std::string_view bytes;
};
std::optional<Field> find_field(std::string_view data, std::uint64_t wanted) {
  std::optional<Field> found;
  std::uint64_t key = 0;
  for (std::size_t at = 0; read_varint(data, at, key);) {
    Field field;
    const std::uint64_t wire_type = key & 7;
    if (wire_type == 0) {
      if (!read_varint(data, at, field.number)) break;
    } else {
      std::uint64_t length = wire_type == 1 ? 8 : 4;
      if (wire_type == 2 && !read_varint(data, at, length)) break;
      if (wire_type == 3 || wire_type == 4 || length > data.size() - at) break;
      field.bytes = data.substr(at, static_cast<std::size_t>(length));
      at += static_cast<std::size_t>(length);
    }
    if (key >> 3 == wanted) found = field;
  }
  return found;
}

// The library does not tell which kind of model it has loaded; the file does
// (sentencepiece_model.proto: ModelProto.trainer_spec = 2, TrainerSpec.model_type = 3; 1 unigram,
// the default, 2 BPE, 3 word, 4 char).
std::string sentencepiece_type(std::string_view content) {
  const auto trainer = find_field(content, 2);
  const auto type = trainer ? find_field(trainer->bytes, 3) : std::nullopt;
  const std::uint64_t number = type ? type->number : 1;
  constexpr const char* names[] = {"unnamed", "unigram", "BPE", "word", "char"};
  return number < std::size(names) ? names[number] : "unknown";
}

// The sentinels of T5 are special strings; they lie behind the pieces unless the file has them as
// pieces.
void add_sentinels(TokenizerVocabulary& vocabulary) {
  const bool in_file = find_piece(vocabulary, "<extra_id_0>") >= 0;
  for (int n = sentinel_count - 1; n >= 0; --n) {
    const std::string sentinel = fmt::format("<extra_id_{}>", n);
    if (!in_file) {
      vocabulary.pieces.push_back(sentinel);
      vocabulary.scores.push_back(0.0);
    }
    const std::int32_t id = find_piece(vocabulary, sentinel);
    if (id >= 0) vocabulary.specials.push_back({sentinel, id, false, false});
  }
}

}  // namespace

TokenizerVocabulary read_sentencepiece_model(const std::string& path) {
  const std::string content = read_tokenizer_file(path);
  sentencepiece::SentencePieceProcessor processor;
  const auto status = processor.LoadFromSerializedProto(content);
  require(status.ok(), ExitCode::input, "{}: is not a SentencePiece model ({}); {}", path,
          status.ToString(), spiece_advice);
  const std::string type = sentencepiece_type(content);
  require(type == "unigram", ExitCode::input,
          "{}: its model is {} (the text encoder umT5 has a unigram vocabulary); {}", path, type,
          spiece_advice);
  TokenizerVocabulary vocabulary;
  vocabulary.file = path;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    vocabulary.pieces.push_back(processor.IdToPiece(id));
    vocabulary.scores.push_back(static_cast<double>(processor.GetScore(id)));
    require(is_utf8(vocabulary.pieces.back()) && std::isfinite(vocabulary.scores.back()),
            ExitCode::input, "{}: piece {} is not UTF-8 or its score not a finite number; {}", path,
            id, spiece_advice);
    if (processor.IsControl(id) || processor.IsUnknown(id)) {
      vocabulary.specials.push_back({vocabulary.pieces.back(), id, false, false});
    }
  }
  vocabulary.unknown_id = processor.unk_id();
  add_sentinels(vocabulary);
  find_end_and_padding(vocabulary);
  return vocabulary;
}

}  // namespace causeway
