// Tests of prompt lists: the three kinds of file, and everything that can be wrong with one.
#include "batch/prompts.hpp"

#include <gtest/gtest.h>

#include "batch_test_files.hpp"

namespace causeway {
namespace {

namespace fs = std::filesystem;
using testing::error_of;
using testing::expect_contains;

class Prompts : public ::testing::Test {
 protected:
  std::vector<Prompt> read(const std::string& name, std::string_view text) {
    return read_prompts(folder_.write(name, text), config_).prompts;
  }
  /// The message, with the temporary folder taken out of paths.
  std::string error(const std::string& name, std::string_view text) {
    std::string message = error_of(ExitCode::input, [&] { read(name, text); });
    const std::string prefix = folder_.path().string() + "/";
    for (auto at = message.find(prefix); at != std::string::npos; at = message.find(prefix)) {
      message.erase(at, prefix.size());
    }
    return message;
  }

  testing::TemporaryFolder folder_;
  Config config_;
};

TEST_F(Prompts, EveryListOfTheRepositoryIsValid) {
  const auto files = testing::files_of(fs::path(CAUSEWAY_SOURCE_DIR) / "configs/prompts");
  ASSERT_GE(files.size(), 3u);
  for (const auto& file : files) {
    SCOPED_TRACE(file);
    EXPECT_NO_THROW(read_prompts(file, config_));
  }
}

TEST_F(Prompts, ATextFileIsAPromptALine) {
  const auto prompts = read("a.txt",
                            "\xEF\xBB\xBF"
                            "first, with \"quotes\"\r\n\r\n  \t\r\n  # second \r\n三\nlast");
  ASSERT_EQ(prompts.size(), 4u);
  EXPECT_EQ(prompts[0].text, "first, with \"quotes\"");
  EXPECT_EQ(prompts[1].text, "# second");
  EXPECT_EQ(prompts[1].line, 4);
  EXPECT_EQ(prompts[2].text, "三");
  EXPECT_EQ(prompts[3].text, "last");
  EXPECT_EQ(prompts[3].line, 6);
  EXPECT_TRUE(prompts[3].id.empty() && prompts[3].switches.empty() && !prompts[3].seed);
}

TEST_F(Prompts, JsonLinesHoldAllFields) {
  folder_.write("clip.mp4", "x");
  const auto prompts =
      read("a.jsonl",
           "{\"prompt\": \"a \\u00e9\\ud83d\\ude00\"}\r\n\n"
           "{\"prompt\":\"b\",\"id\":\"B-1.x_\",\"seed\":18446744073709551615,\"frames\":33,"
           "\"samples\":3,\"video\":\"clip.mp4\"}\n"
           "{\"prompt\": \"c\", \"id\": 7, \"seed\": null}\n");
  ASSERT_EQ(prompts.size(), 3u);
  EXPECT_EQ(prompts[0].text, "a é😀");
  EXPECT_EQ(prompts[1].id, "B-1.x_");
  EXPECT_EQ(prompts[1].seed, UINT64_MAX);
  EXPECT_EQ(prompts[1].frames, 33);
  EXPECT_EQ(prompts[1].samples, 3);
  EXPECT_EQ(prompts[1].video, (folder_.path() / "clip.mp4").string());
  EXPECT_EQ(prompts[1].line, 3);
  EXPECT_EQ(prompts[2].id, "7");
  EXPECT_FALSE(prompts[2].seed);
}

TEST_F(Prompts, CsvHoldsAllFieldsWithTheQuotingOfRfc4180) {
  folder_.write("clip.mp4", "x");
  const auto prompts = read("a.CSV",
                            "id, prompt ,seed,frames,samples,prompts,video\r\n"
                            "one,\"a, \"\"b\"\"\r\nand c\",5,33,2,,clip.mp4\r\n"
                            "\r\n"
                            ",plain text,,,,,\n"
                            "three,,,,,\"[\"\"x\"\", {\"\"prompt\"\": \"\"y\"\"}]\",");
  ASSERT_EQ(prompts.size(), 3u);
  EXPECT_EQ(prompts[0].id, "one");
  EXPECT_EQ(prompts[0].text, "a, \"b\"\r\nand c");
  EXPECT_EQ(prompts[0].seed, 5u);
  EXPECT_EQ(prompts[0].frames, 33);
  EXPECT_EQ(prompts[0].samples, 2);
  EXPECT_EQ(prompts[0].video, (folder_.path() / "clip.mp4").string());
  EXPECT_EQ(prompts[0].line, 2);
  EXPECT_EQ(prompts[1].text, "plain text");
  EXPECT_EQ(prompts[1].line, 5);
  EXPECT_EQ(prompts[2].text, "x");
  EXPECT_EQ(prompts[2].switches, (std::vector<PromptRange>{{1, "y"}}));
}

TEST_F(Prompts, AListOfPromptsFollowsTheChunks) {
  const auto prompts =
      read("a.jsonl",
           R"({"prompts": ["a", "b", "c"]})"
           "\n"
           R"({"prompts": [{"prompt": "a", "chunks": 3}, "b", {"chunks": 2, "prompt": "c"}, "d"]})"
           "\n"
           R"({"prompts": ["only"]})"
           "\n"
           R"({"prompts": [{"prompt": "long", "chunks": 100}]})"
           "\n");
  ASSERT_EQ(prompts.size(), 4u);
  EXPECT_EQ(prompt_ranges(prompts[0]), (std::vector<PromptRange>{{0, "a"}, {1, "b"}, {2, "c"}}));
  EXPECT_EQ(prompt_ranges(prompts[1]),
            (std::vector<PromptRange>{{0, "a"}, {3, "b"}, {4, "c"}, {6, "d"}}));
  EXPECT_EQ(prompt_ranges(prompts[2]), (std::vector<PromptRange>{{0, "only"}}));
  EXPECT_EQ(prompt_ranges(prompts[3]), (std::vector<PromptRange>{{0, "long"}}));
  // 81 frames are 7 chunks: a prompt from chunk 7 on would never be seen.
  expect_contains(error("b.jsonl", R"({"prompts": [{"prompt": "a", "chunks": 7}, "b"]})"),
                  "b.jsonl:1: prompts: the last one starts at chunk 7 (counted from 0), but a "
                  "video of 81 frames has "
                  "7 chunks; shorten the list or its chunks");
  expect_contains(error("c.jsonl", R"({"prompts": ["a", "b"], "frames": 9})"),
                  "a video of 9 frames has 1 chunk;");
}

TEST_F(Prompts, TheContentHashIsFnv1aOfThePromptAndCountsWhatTheLineAsksFor) {
  // Test vectors of the FNV reference.
  EXPECT_EQ(hash_of_text(""), 0xcbf29ce484222325u);
  EXPECT_EQ(hash_of_text("a"), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(hash_of_text("foobar"), 0x85944171f73967e8u);
  const auto prompts = read("a.jsonl", R"({"prompt": "foobar"})"
                                       "\n"
                                       R"({"prompt": "foobar", "id": "x", "samples": 3})"
                                       "\n"
                                       R"({"prompts": ["foobar"]})"
                                       "\n"
                                       R"({"prompt": "foobar", "seed": 1})"
                                       "\n"
                                       R"({"prompt": "foobar", "frames": 33})"
                                       "\n"
                                       R"({"prompts": ["foobar", "b"]})"
                                       "\n"
                                       R"({"prompts": [{"prompt": "foobar", "chunks": 2}, "b"]})"
                                       "\n"
                                       R"({"prompts": ["foobar", "b", "c"]})"
                                       "\n");
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(prompts[i].content_hash, 0x85944171f73967e8u);
  for (std::size_t i = 2; i < prompts.size(); ++i) {
    for (std::size_t j = i + 1; j < prompts.size(); ++j) {
      EXPECT_NE(prompts[i].content_hash, prompts[j].content_hash) << i << " " << j;
    }
  }
}

TEST_F(Prompts, FilesThatAreNoListsAreRefused) {
  const auto of = [&](const fs::path& path) {
    return error_of(ExitCode::input, [&] { read_prompts(path, config_); });
  };
  expect_contains(of(folder_.path() / "none.txt"), "there is no such file");
  expect_contains(of(folder_.path()), "it is a folder");
  expect_contains(error("a.json", "{}"), "its name ends in '.json'");
  expect_contains(error("noextension", "x"), "name it .txt");
  for (const char* name : {"a.txt", "a.jsonl", "a.csv"}) {
    expect_contains(error(name, ""), "holds no prompts");
    expect_contains(error(name, "\r\n \n\n"), "holds no prompts");
  }
  expect_contains(error("b.csv", "prompt,id\n"), "holds no prompts");
  expect_contains(error("wide.txt", std::string_view("\xFF\xFEx\0", 4)),
                  "(it is UTF-16); save it as UTF-8");
}

TEST_F(Prompts, TextThatIsNotUtf8IsNamedByLineAndByte) {
  expect_contains(error("a.txt", "fine\ncaf\xE9 au lait\nfine\n\xC0\x80\n"),
                  "the prompt list 'a.txt' has 2 problems:\n"
                  "  a.txt:2: byte 4 is 0xE9 (not valid UTF-8); save the list as UTF-8\n"
                  "  a.txt:4: byte 1 is 0xC0 (not valid UTF-8); save the list as UTF-8");
  // Surrogates, code points past the last, a cut sequence.
  for (const char* bad : {"\xED\xA0\x80", "\xF4\x90\x80\x80", "abcdefgh\xE4\xB8", "\x80"}) {
    expect_contains(error("b.txt", bad), "not valid UTF-8");
  }
  EXPECT_EQ(read("c.txt", "\xED\x9F\xBF \xEE\x80\x80 \xF4\x8F\xBF\xBF").size(), 1u);
  expect_contains(error("d.txt", std::string_view("a\nb\0c\n", 6)), "d.txt:2: byte 2 is NUL");
  expect_contains(error("e.csv", "prompt\n\"a\nb\xFF\"\n"), "e.csv:3: byte 2 is 0xFF");
  expect_contains(error("f.jsonl", "{\"prompt\": \"\xFF\"}"), "f.jsonl:1: byte 13 is 0xFF");
  expect_contains(error("g.jsonl", R"({"prompt": "a\u0000b"})"), "prompt: holds a NUL character");
  expect_contains(error("h.jsonl", R"({"prompt": "\ud800"})"), "h.jsonl:1: not valid JSON at byte");
}

TEST_F(Prompts, UnknownNamesShowTheNearest) {
  expect_contains(error("a.jsonl", R"({"promt": "a"})"),
                  "a.jsonl:1: 'promt': unknown key; nearest: prompt");
  expect_contains(
      error("a.jsonl", R"({"prompt": "a", "negative": "b"})"),
      "'negative': unknown key; known are prompt, prompts, id, seed, frames, samples, video");
  expect_contains(error("a.csv", "prompt,sead\na,1\n"),
                  "a.csv:1: 'sead': unknown column; nearest: seed");
  expect_contains(error("a.csv", "prompt;id\na;b\n"), "columns are set apart by commas here");
  expect_contains(error("a.csv", "id,seed\na,1\n"), "a.csv:1: no column 'prompt' or 'prompts'");
  expect_contains(error("a.csv", "prompt,prompt\na,b\n"),
                  "'prompt': a column of that name comes twice");
  expect_contains(error("a.jsonl", R"({"prompts": [{"prompt": "a", "chunk": 1}]})"),
                  "unknown key 'chunk' in an entry");
}

TEST_F(Prompts, BrokenJsonIsNamedByLine) {
  const auto message = error("a.jsonl",
                             "{\"prompt\": \"a\"\n"
                             "[\"a\"]\n"
                             "\"a\"\n"
                             "{\"prompt\": \"a\"} {}\n"
                             "{\"prompt\": \"a\", \"prompt\": \"b\"}\n"
                             "{\"prompt\": \"a\", \"seed\": 1e999}\n"
                             "{\"prompts\": [{\"prompt\": \"a\", \"prompt\": \"b\"}]}\n");
  expect_contains(message, "has 7 problems");
  expect_contains(message, "a.jsonl:1: not valid JSON at byte 15: syntax error");
  expect_contains(message, "a.jsonl:2: a list instead of an object");
  expect_contains(message, "a.jsonl:3: a text instead of an object");
  expect_contains(message, "a.jsonl:4: not valid JSON at byte");
  expect_contains(message, "a.jsonl:5: key 'prompt' is written twice");
  expect_contains(message, "a.jsonl:6: not valid JSON");
  expect_contains(message, "a.jsonl:7: key 'prompt' is written twice");
  EXPECT_FALSE(error("deep.jsonl", std::string(1000000, '[')).empty());
}

TEST_F(Prompts, WrongKindsAndValuesAreNamed) {
  const auto message = error("a.jsonl", R"({"prompt": 5})"
                                        "\n"
                                        R"({"prompt": "a", "seed": "5"})"
                                        "\n"
                                        R"({"prompt": "a", "seed": 1.5})"
                                        "\n"
                                        R"({"prompt": "a", "seed": -1})"
                                        "\n"
                                        R"({"prompt": "a", "frames": 80})"
                                        "\n"
                                        R"({"prompt": "a", "frames": 85})"
                                        "\n"
                                        R"({"prompt": "a", "samples": 0})"
                                        "\n"
                                        R"({"prompt": "a", "id": true})"
                                        "\n"
                                        R"({"prompt": " \t"})"
                                        "\n"
                                        R"({"prompt": "a", "prompts": ["b"]})"
                                        "\n"
                                        R"({"id": "x"})"
                                        "\n"
                                        R"({"prompts": []})"
                                        "\n"
                                        R"({"prompts": "a"})"
                                        "\n"
                                        R"({"prompts": [1]})"
                                        "\n"
                                        R"({"prompts": [{"chunks": 1}]})"
                                        "\n"
                                        R"({"prompts": [{"prompt": "a", "chunks": 0}, "b"]})"
                                        "\n"
                                        R"({"prompts": [{"prompt": "a", "chunks": 1.5}, "b"]})"
                                        "\n"
                                        R"({"prompts": ["a", ""]})"
                                        "\n"
                                        R"({"prompt": "a", "video": "none.mp4"})"
                                        "\n"
                                        R"({"prompt": "a", "seed": 18446744073709551616})"
                                        "\n");
  expect_contains(message, "has 20 problems");
  const std::vector<std::string> expected{
      "prompt: a number (a text is expected)",
      "seed: a text (a whole number is expected)",
      "seed: '1.5' (not a whole number); write one from 0 to 18446744073709551615",
      "seed: -1 (out of range: from 0 to 18446744073709551615); nearest valid: 0",
      "frames: 80 (a video has 4k + 1 frames, and chunks of 3 latent frames); nearest valid: 69 or "
      "81",
      "frames: 85 (22 latent frames are not a multiple of the chunk of 3); nearest valid: 81 or 93",
      "samples: 0 (out of range: from 1 to 1000000); nearest valid: 1",
      "id: true or false (a text is expected)",
      "prompt: ' \\x09' (an empty prompt)",
      "prompt and prompts are both given",
      "neither prompt nor prompts is given",
      "prompts: an empty list",
      "prompts: a text (a list of prompts is expected)",
      "prompts: a number (a text or {",
      "prompts: an entry without the text 'prompt'",
      "prompts: chunks: '0' (a whole number from 1 to 1000000 is expected)",
      "prompts: chunks: '1.5' (a whole number from 1 to 1000000 is expected)",
      "prompts: '' (an empty prompt)",
      "video: 'none.mp4' (there is no such file",
      "seed: '1.8446744073709552e+19' (not a whole number)"};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    expect_contains(message, fmt::format("a.jsonl:{}: {}", i + 1, expected[i]));
  }
}

TEST_F(Prompts, IdsAreSafeFileNames) {
  const auto id = [&](const std::string& text) {
    return error("a.csv", "prompt,id\na,\"" + text + "\"\n");
  };
  expect_contains(id("../../etc/passwd"), "nearest valid: _.._etc_passwd");
  expect_contains(id(".hidden"), "starts with '.'");
  expect_contains(id("a/b"), "has other characters than letters, digits, '.', '_' and '-'");
  expect_contains(id("a b"), "nearest valid: a_b");
  expect_contains(id("é"), "a.csv:2: id: 'é' (has other characters");
  expect_contains(id(std::string(101, 'x')), "101 characters long");
  EXPECT_EQ(read("b.csv", "prompt,id\na," + std::string(100, 'x') + "\n")[0].id.size(), 100u);
}

TEST_F(Prompts, ADuplicateIdIsAnErrorWithBothLines) {
  const auto message = error("a.jsonl", R"({"prompt": "a", "id": "x"})"
                                        "\n"
                                        R"({"prompt": "b", "id": "y"})"
                                        "\n\n"
                                        R"({"prompt": "c", "id": "x"})"
                                        "\n"
                                        R"({"prompt": "c", "id": "x"})"
                                        "\n");
  expect_contains(message, "has 2 problems");
  expect_contains(message, "a.jsonl:4: id: 'x' (line 1 has it already); choose another");
  expect_contains(message, "a.jsonl:5: id: 'x' (line 1 has it already); choose another");
}

TEST_F(Prompts, BrokenCsvIsNamedByLineAndTheRestIsStillChecked) {
  const auto message = error("a.csv",
                             "prompt,id\n"
                             "a \"quote\" inside,x\n"
                             "\"closed\" too early,y\n"
                             "one,two,three\n"
                             "alone\n"
                             "\"fine, with comma\",ok\n"
                             "fine,not ok\n"
                             ",empty\n"
                             "\"two\nlines\" then text,z\n"
                             "\"never closed,z\nmore\n");
  expect_contains(message, "has 8 problems");
  expect_contains(message, "a.csv:2: a quote inside a field that does not start with one");
  expect_contains(message, "a.csv:3: text after the closing quote of a field");
  expect_contains(message, "a.csv:4: 3 fields where the header row has 2");
  expect_contains(message, "a.csv:5: 1 field where the header row has 2");
  expect_contains(message, "a.csv:7: id: 'not ok'");
  expect_contains(message, "a.csv:8: neither prompt nor prompts is given");
  expect_contains(message, "a.csv:9: text after the closing quote of a field");
  expect_contains(message, "a.csv:11: a quote is opened and never closed");
  expect_contains(error("b.csv", "prompts\n\"[\"\"a\"\"\"\n"), "b.csv:2: prompts: not valid JSON");
  expect_contains(error("c.csv", "prompt,seed,samples\na,0x10,1\nb,,two\n"),
                  "c.csv:2: seed: '0x10' (not a whole number)");
}

TEST_F(Prompts, FiftyProblemsAreShownAndTheRestCounted) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "{}\n";
  const auto message = error("a.jsonl", text);
  expect_contains(message, "has 1000 problems");
  expect_contains(message, "a.jsonl:50: ");
  expect_contains(message, "… and 950 more");
  EXPECT_EQ(message.find("a.jsonl:51: "), std::string::npos);
}

}  // namespace
}  // namespace causeway
