// Files of a tokenizer that are missing, broken or of another kind, and what is said about them.
#include "model/tokenizer_files.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "model/tokenizer.hpp"
#include "model/tokenizer_cases.hpp"

namespace causeway {
namespace {

using Json = nlohmann::json;
using testing::read_whole_file;
using testing::TemporaryFolder;
using testing::tokenizer_fixtures;

// The message of the Error(input) that opening the folder throws.
std::string refusal(const std::string& folder) {
  try {
    Tokenizer::open(folder);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::input) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "accepted";
  return "";
}

TEST(TokenizerFiles, SaysWhatItLookedForWhereNothingIs) {
  EXPECT_NE(refusal("/nonexistent/tokenizer").find("/nonexistent/tokenizer"), std::string::npos);
  const TemporaryFolder folder;
  const std::string message = refusal(folder.path());
  EXPECT_NE(message.find("tokenizer.json"), std::string::npos);
  EXPECT_NE(message.find("spiece.model"), std::string::npos);
}

TEST(TokenizerFiles, AcceptsPipelinesThatAreTheSameForCleanedText) {
  Json root = Json::parse(read_whole_file(tokenizer_fixtures + "trained/tokenizer.json"));
  const Json split = {{"type", "WhitespaceSplit"}};
  root["normalizer"] = {
      {"type", "Sequence"},
      {"normalizers",
       {{{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}},
        {{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}}}}};
  root["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {split, root["pre_tokenizer"]}}};
  const TemporaryFolder folder;
  folder.write("tokenizer.json", root.dump());
  const Tokenizer other = Tokenizer::open(folder.path());
  const Tokenizer plain = Tokenizer::open(tokenizer_fixtures + "trained");
  EXPECT_EQ(other.encode("a cat in Zürich", 512).ids, plain.encode("a cat in Zürich", 512).ids);
}

struct Damage {
  const char* what;
  const char* patch;    // RFC 7396
  const char* message;  // part of it
};

class BrokenTokenizerJson : public ::testing::TestWithParam<Damage> {};

TEST_P(BrokenTokenizerJson, IsRefusedWithItsReason) {
  Json root = Json::parse(read_whole_file(tokenizer_fixtures + "trained/tokenizer.json"));
  root.merge_patch(Json::parse(GetParam().patch));
  const TemporaryFolder folder;
  folder.write("tokenizer.json", root.dump());
  const std::string message = refusal(folder.path());
  EXPECT_NE(message.find(GetParam().message), std::string::npos) << message;
  EXPECT_NE(message.find(folder.path()), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(
    TokenizerFiles, BrokenTokenizerJson,
    ::testing::Values(
        Damage{"BytePairModel", R"({"model":{"type":"BPE"}})", "its model is BPE"},
        Damage{"NoModel", R"({"model":null})", "no object \"model\""},
        Damage{"ModelIsText", R"({"model":"x"})", "no object \"model\""},
        Damage{"NoVocabulary", R"({"model":{"vocab":null}})", "model.vocab is not a list"},
        Damage{"VocabularyIsObject", R"({"model":{"vocab":{"a":1}}})", "model.vocab is not"},
        Damage{"EmptyVocabulary", R"({"model":{"vocab":[]}})", "model.vocab is not a list"},
        Damage{"PieceWithoutScore", R"({"model":{"vocab":[["a"]]}})", "model.vocab[0]"},
        Damage{"ScoreIsText", R"({"model":{"vocab":[["a",0],["b","c"]]}})", "model.vocab[1]"},
        Damage{"PieceIsNumber", R"({"model":{"vocab":[[1,2]]}})", "model.vocab[0]"},
        Damage{"NoUnknown", R"({"model":{"unk_id":null}})", "model.unk_id"},
        Damage{"UnknownPastTheEnd", R"({"model":{"unk_id":100000}})", "model.unk_id"},
        Damage{"NegativeUnknown", R"({"model":{"unk_id":-1}})", "model.unk_id"},
        Damage{"HugeUnknown", R"({"model":{"unk_id":18446744073709551615}})", "model.unk_id"},
        Damage{"FractionalUnknown", R"({"model":{"unk_id":1.5}})", "model.unk_id"},
        Damage{"Lowercase", R"({"normalizer":{"type":"Lowercase"}})", "normalizer is Lowercase"},
        Damage{"Folding", R"({"normalizer":{"type":"Precompiled","precompiled_charsmap":"AAA="}})",
               "normalizer is Precompiled"},
        Damage{"NoPreTokenizer", R"({"pre_tokenizer":null})", "pre_tokenizer is missing"},
        Damage{"ByteLevel", R"({"pre_tokenizer":{"type":"ByteLevel"}})",
               "pre_tokenizer is another"},
        Damage{"NeverPrepend", R"({"pre_tokenizer":{"prepend_scheme":"never"}})",
               "pre_tokenizer is"},
        Damage{"Unsplit", R"({"pre_tokenizer":{"split":false}})", "pre_tokenizer is another"},
        Damage{"AddedIsText", R"({"added_tokens":"x"})", "added_tokens is not a list"},
        Damage{"AddedWithoutId", R"({"added_tokens":[{"content":"x"}]})", "added_tokens[0]"},
        Damage{"AddedNegativeId", R"({"added_tokens":[{"content":"x","id":-2}]})",
               "added_tokens[0]"},
        Damage{"AddedHugeId", R"({"added_tokens":[{"content":"x","id":4294967296}]})",
               "added_tokens[0]"},
        Damage{"AddedIsNumber", R"({"added_tokens":[7]})", "added_tokens[0]"},
        Damage{"AddedInAnothersPlace", R"({"added_tokens":[{"content":"x","id":9}]})", "has id 9"},
        Damage{"SingleWord", R"({"added_tokens":[{"content":"x","id":99999,"single_word":true}]})",
               "single words"},
        Damage{"NoEnd",
               R"({"added_tokens":[],"model":{"unk_id":0,"vocab":[["<unk>",0],["<pad>",0]]}})",
               "no token '</s>'"},
        Damage{"NoPadding",
               R"({"added_tokens":[],"model":{"unk_id":0,"vocab":[["<unk>",0],["</s>",0]]}})",
               "no token '<pad>'"}),
    [](const auto& damage) { return std::string(damage.param.what); });

TEST(TokenizerFiles, RefusesFilesThatAreNoJson) {
  const std::string good = read_whole_file(tokenizer_fixtures + "trained/tokenizer.json");
  const std::vector<std::string> contents = {
      "",
      "{",
      "[]",
      "null",
      "\x80\x81",
      good.substr(0, good.size() / 2),
      std::string(100000, '['),
      R"({"model":{"type":"Unigram","unk_id":0,"vocab":[["a",1e999]]}})",
      "{\"a\":\"\xff\"}"};
  for (const std::string& content : contents) {
    const TemporaryFolder folder;
    folder.write("tokenizer.json", content);
    EXPECT_NE(refusal(folder.path()).find("tokenizer.json"), std::string::npos);
  }
}

TEST(TokenizerFiles, RefusesDeeplyNestedNormalizersWithoutExhaustingTheStack) {
  std::string nested;
  for (int i = 0; i < 200000; ++i) nested += R"({"type":"Sequence","normalizers":[)";
  nested += R"({"type":"NFKC"})";
  for (int i = 0; i < 200000; ++i) nested += "]}";
  const TemporaryFolder folder;
  folder.write("tokenizer.json", R"({"model":{"type":"Unigram"},"normalizer":)" + nested + "}");
  EXPECT_NE(refusal(folder.path()).find("normalizer"), std::string::npos);
}

TEST(TokenizerFiles, RefusesSentencePieceModelsThatAreBrokenOrOfAnotherKind) {
  EXPECT_NE(refusal(tokenizer_fixtures + "spiece_bpe").find("its model is BPE"), std::string::npos);
  const std::string good = read_whole_file(tokenizer_fixtures + "spiece/spiece.model");
  for (const std::string& content : {std::string(), std::string("not a model"),
                                     good.substr(0, 1000), std::string(1000, '\xff')}) {
    const TemporaryFolder folder;
    folder.write("spiece.model", content);
    EXPECT_NE(refusal(folder.path()).find("spiece.model"), std::string::npos);
  }
}

TEST(TokenizerFiles, SurvivesAnyDamagedByteOfASentencePieceModel) {
  const std::string good = read_whole_file(tokenizer_fixtures + "spiece/spiece.model");
  for (std::size_t at = 0; at < good.size(); at += 61) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
    const TemporaryFolder folder;
    folder.write("spiece.model", bad);
    try {
      const Tokenizer tokenizer = Tokenizer::open(folder.path());
      const TokenizedPrompt prompt = tokenizer.encode("a cat \U00020000 [web]", 512);
      EXPECT_EQ(prompt.ids.back(), tokenizer.end_id());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::input) << error.what();
    }
  }
}

}  // namespace
}  // namespace causeway
