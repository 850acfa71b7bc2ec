// The tokenizer, against published token ids and against the Hugging Face `tokenizers` library.
#include "model/tokenizer.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "model/tokenizer_cases.hpp"

namespace causeway {
namespace {

using Json = nlohmann::json;
using testing::read_whole_file;
using testing::TemporaryFolder;
using testing::tokenizer_fixtures;
namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;

constexpr std::int64_t text_length = 512;

// Cleaned text and its ids under the published tokenizer files of Wan2.1 T2V-1.3B, the end token
// included.
struct Vector {
  const char* text;
  Ids ids;
};
const std::vector<Vector> published = {
    {"", {1}},
    {"cat", {6283, 1}},
    {"a▁b cat", {289, 748, 6283, 1}},
    {"[web] page", {273, 5, 3650, 1}},
    {"a b c d", {289, 748, 618, 365, 1}},
    {"\"quoted\" it's", {335, 20710, 355, 347, 681, 306, 281, 1}},
    {"fine 'n", {4338, 839, 307, 1}},
    {"red", {4062, 1}},
    {"é café", {670, 12831, 1}},
    {"café naïve résumé Zürich São Paulo", {12831, 317, 3252, 819, 172688, 63990, 3780, 5277, 1}},
    {"ABC カタカナ", {24343, 273, 114767, 95880, 1}},
    {"色调艳丽,过曝", {273, 1838, 8483, 181911, 30993, 275, 4915, 85615, 1}},
    {"锘🚼礼𝑔՝ 瀧翌绁", {273, 246588, 249678, 11724, 247158, 14934, 273, 244067, 32259, 245562, 1}},
    {"Two anthropomorphic cats in comfy boxing gear and bright gloves fight intensely on a "
     "spotlighted "
     "stage.",
     {16349, 289, 182785, 97899, 1931,  6283,  281, 301, 547, 15817,  273, 126058, 39668, 333,
      48918, 273, 181062, 281,   43495, 53302, 751, 369, 289, 214337, 505, 17687,  274,   1}},
    {"cat \U00020000 cat", {6283, 273, 3, 6283, 1}},
    {"\U00020000\U00020001", {273, 3, 1}},
};

std::string repeated_cat(int count) {
  std::string text = "cat";
  for (int i = 1; i < count; ++i) text += " cat";
  return text;
}

void expect_published_ids(const Tokenizer& tokenizer) {
  for (const Vector& vector : published) {
    const TokenizedPrompt prompt = tokenizer.encode(vector.text, text_length);
    EXPECT_EQ(prompt.ids, vector.ids) << vector.text;
    EXPECT_FALSE(prompt.truncated);
    EXPECT_EQ(prompt.full_length, static_cast<std::int64_t>(vector.ids.size()));
  }
  const TokenizedPrompt full = tokenizer.encode(repeated_cat(511), text_length);
  Ids expected(511, 6283);
  expected.push_back(1);
  EXPECT_EQ(full.ids, expected);
  EXPECT_FALSE(full.truncated);
  const TokenizedPrompt longer = tokenizer.encode(repeated_cat(700), text_length);
  EXPECT_EQ(longer.ids, expected);
  EXPECT_TRUE(longer.truncated);
  EXPECT_EQ(longer.full_length, 701);
  EXPECT_EQ(tokenizer.encode("<extra_id_0><extra_id_299>", text_length).ids,
            (Ids{256299, 256000, 1}));
  EXPECT_EQ(tokenizer.encode("cat<pad>cat", text_length).ids, (Ids{6283, 0, 6283, 1}));
  EXPECT_EQ(tokenizer.padding_id(), 0);
  EXPECT_EQ(tokenizer.end_id(), 1);
  EXPECT_EQ(tokenizer.unknown_id(), 3);
  EXPECT_EQ(tokenizer.vocabulary_size(), 256300);
}

// The pieces behind the ids above; where the ids leave open how a word is cut, one of the ways.
// clang-format off
const std::map<int, std::string> published_pieces = {
    {0, "<pad>"}, {1, "</s>"}, {2, "<s>"}, {3, "<unk>"}, {5, "[web]"}, {273, "▁"}, {274, "."},
    {275, ","}, {281, "s"}, {289, "▁a"}, {301, "▁in"}, {306, "'"}, {307, "n"}, {317, "▁na"},
    {333, "▁and"}, {335, "▁\""}, {347, "\""}, {355, "d"}, {365, "▁d"}, {369, "▁on"},
    {505, "ed"}, {547, "▁com"}, {618, "▁c"}, {670, "▁é"}, {681, "▁it"}, {748, "▁b"},
    {751, "ely"}, {819, "ve"}, {839, "▁'"}, {1838, "色"}, {1931, "ic"}, {3252, "ï"},
    {3650, "▁page"}, {3780, "▁São"}, {4062, "▁red"}, {4338, "▁fine"}, {4915, "过"},
    {5277, "▁Paulo"}, {6283, "▁cat"}, {8483, "调"}, {11724, "礼"}, {12831, "▁café"}, {14934, "՝"},
    {15817, "fy"}, {16349, "▁Two"}, {17687, "▁stage"}, {20710, "quote"}, {24343, "▁ABC"},
    {30993, "丽"}, {32259, "翌"}, {39668, "▁gear"}, {43495, "▁fight"}, {48918, "▁bright"},
    {53302, "▁intens"}, {63990, "▁Zürich"}, {85615, "曝"}, {95880, "カナ"}, {97899, "morph"},
    {114767, "カタ"}, {126058, "boxing"}, {172688, "▁résumé"}, {181062, "glove"}, {181911, "艳"},
    {182785, "nthropo"}, {214337, "▁spotlight"}, {244067, "瀧"}, {245562, "绁"}, {246588, "锘"},
    {247158, "𝑔"}, {249678, "🚼"},
};
// clang-format on

// A vocabulary of umT5's size that has the pieces of the published vectors at their ids, scores
// that fall with the id as the real ones do, and pieces that no text contains everywhere else.
Json sparse_vocabulary() {
  Json vocab = Json::array();
  for (int id = 0; id < 256300; ++id) {
    const auto at = published_pieces.find(id);
    std::string piece = "\U0010FFFD" + std::to_string(id);
    if (at != published_pieces.end()) piece = at->second;
    if (id >= 256000) piece = "<extra_id_" + std::to_string(256299 - id) + ">";
    vocab.push_back({piece, id < 17 || id >= 256000 ? 0.0 : -3.0 - id * 6e-5});
  }
  Json added = Json::array();
  for (int id = 0; id < 256300; ++id) {
    if (id >= 4 && id < 256000) continue;
    added.push_back({{"id", id}, {"content", vocab[static_cast<std::size_t>(id)][0]}});
  }
  return {{"added_tokens", added},
          {"normalizer", nullptr},
          {"pre_tokenizer",
           {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "always"}}},
          {"model", {{"type", "Unigram"}, {"unk_id", 3}, {"vocab", vocab}}}};
}

TEST(Tokenizer, MakesThePublishedIdsFromAVocabularyOfUmt5sSize) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", sparse_vocabulary().dump());
  expect_published_ids(Tokenizer::open(folder.path()));
}

TEST(Tokenizer, MakesThePublishedIdsFromTheRealFiles) {
  const char* folder = std::getenv("CAUSEWAY_UMT5_TOKENIZER");
  if (!folder)
    GTEST_SKIP() << "CAUSEWAY_UMT5_TOKENIZER names no folder with umT5's tokenizer files";
  expect_published_ids(Tokenizer::open(folder));
}

TEST(Tokenizer, ReadsTheRealSentencePieceModelLikeTheRealJson) {
  const char* folder = std::getenv("CAUSEWAY_UMT5_TOKENIZER");
  if (!folder || !fs::exists(fs::path(folder) / "spiece.model")) {
    GTEST_SKIP() << "CAUSEWAY_UMT5_TOKENIZER names no folder with umT5's spiece.model";
  }
  const TemporaryFolder copy;
  fs::copy(fs::path(folder) / "spiece.model", copy.path());
  expect_published_ids(Tokenizer::open(copy.path()));
}

void expect_fixture_ids(const Tokenizer& tokenizer, const Json& rows) {
  for (const Json& row : rows) {
    EXPECT_EQ(tokenizer.encode(row[0].get<std::string>(), 1 << 20).ids, row[1].get<Ids>())
        << row[0].dump(-1, ' ', true);
  }
}

TEST(Tokenizer, SegmentsATrainedVocabularyAsHuggingFaceDoes) {
  const Json rows =
      Json::parse(read_whole_file(tokenizer_fixtures + "segmentation.json"))["trained"];
  ASSERT_GE(rows.size(), 250u);
  expect_fixture_ids(Tokenizer::open(tokenizer_fixtures + "trained"), rows);
}

TEST(Tokenizer, BreaksTiesAsHuggingFaceDoes) {
  const Json rows = Json::parse(read_whole_file(tokenizer_fixtures + "segmentation.json"))["ties"];
  ASSERT_GE(rows.size(), 200u);
  expect_fixture_ids(Tokenizer::open(tokenizer_fixtures + "ties"), rows);
}

TEST(Tokenizer, CutsAtEveryLengthKeepingTheEndToken) {
  const Tokenizer tokenizer = Tokenizer::open(tokenizer_fixtures + "trained");
  const std::string text = "a cat and a dog in the river";
  const Ids all = tokenizer.encode(text, 1000).ids;
  const auto full = static_cast<std::int64_t>(all.size());
  for (std::int64_t length = 1; length <= full + 1; ++length) {
    const TokenizedPrompt cut = tokenizer.encode(text, length);
    Ids expected(all.begin(), all.begin() + std::min(length, full) - 1);
    expected.push_back(tokenizer.end_id());
    EXPECT_EQ(cut.ids, expected);
    EXPECT_EQ(cut.truncated, length < full);
    EXPECT_EQ(cut.full_length, full);
  }
}

TEST(Tokenizer, TreatsBytesThatAreNotUtf8AsABrokenPromise) {
  const Tokenizer tokenizer = Tokenizer::open(tokenizer_fixtures + "trained");
  for (const char* bad : {"\xff", "caf\xe9", "\xe2\x96", "\xf0\x9f\x98"}) {
    EXPECT_THROW(tokenizer.encode(bad, text_length), Error);
  }
}

TEST(Tokenizer, ReadsASentencePieceModelAndAddsTheSentinels) {
  const Tokenizer tokenizer = Tokenizer::open(tokenizer_fixtures + "spiece");
  EXPECT_EQ(tokenizer.padding_id(), 0);
  EXPECT_EQ(tokenizer.end_id(), 1);
  EXPECT_EQ(tokenizer.unknown_id(), 3);
  const auto last = static_cast<std::int32_t>(tokenizer.vocabulary_size()) - 1;
  EXPECT_EQ(tokenizer.encode("<extra_id_0><extra_id_299>", text_length).ids,
            (Ids{last, last - 299, 1}));
  EXPECT_EQ(tokenizer.encode("</s><unk><pad><s>", text_length).ids, (Ids{1, 3, 0, 2, 1}));
  const Ids cat = tokenizer.encode("cat", text_length).ids;
  ASSERT_EQ(cat.size(), 2u) << "a frequent word is one piece";
  EXPECT_EQ(tokenizer.encode("cat cat", text_length).ids, (Ids{cat[0], cat[0], 1}));
  EXPECT_EQ(tokenizer.encode("cat \U00020000\U00020001", text_length).ids.size(), 4u)
      << "unknown characters are one unknown id, not their bytes";
  const Ids web = tokenizer.encode("[web]", text_length).ids;
  ASSERT_EQ(web.size(), 3u);
  EXPECT_EQ(web[1], 4) << "the first symbol that the user defined";
}

TEST(Tokenizer, ReadsSentencePieceAndJsonOfTheSameVocabularyAlike) {
  const TokenizerVocabulary vocabulary =
      read_sentencepiece_model(tokenizer_fixtures + "spiece/spiece.model");
  Json vocab = Json::array(), added = Json::array();
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i) {
    vocab.push_back({vocabulary.pieces[i], vocabulary.scores[i]});
  }
  for (const SpecialString& special : vocabulary.specials) {
    added.push_back({{"id", special.id}, {"content", special.content}});
  }
  const TemporaryFolder folder;
  folder.write("tokenizer.json",
               Json({{"added_tokens", added},
                     {"pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "▁"}}},
                     {"model", {{"type", "Unigram"}, {"unk_id", 3}, {"vocab", vocab}}}})
                   .dump());
  const Tokenizer from_json = Tokenizer::open(folder.path());
  const Tokenizer from_model = Tokenizer::open(tokenizer_fixtures + "spiece");
  const Json rows =
      Json::parse(read_whole_file(tokenizer_fixtures + "segmentation.json"))["trained"];
  ASSERT_GE(rows.size(), 250u);
  for (const Json& row : rows) {
    const auto text = row[0].get<std::string>();
    EXPECT_EQ(from_model.encode(text, 512).ids, from_json.encode(text, 512).ids) << text;
  }
}

TEST(Tokenizer, PrefersTheJsonWhereBothFilesLie) {
  const TemporaryFolder folder;
  folder.write("spiece.model", "broken");
  folder.write("tokenizer.json", read_whole_file(tokenizer_fixtures + "trained/tokenizer.json"));
  EXPECT_TRUE(Tokenizer::open(folder.path()).file().ends_with("tokenizer.json"));
}

}  // namespace
}  // namespace causeway
