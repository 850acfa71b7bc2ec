// Tests of the plan: ids that stay, seeds that reproduce, and the order of work.
#include "batch/sample_plan.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "batch_test_files.hpp"

namespace causeway {
namespace {

using testing::error_of;
using testing::expect_contains;

class Plan : public ::testing::Test {
 protected:
  SamplePlan plan(const std::string& name, std::string_view text) {
    return make_sample_plan(read_prompts(folder_.write(name, text), config_), config_);
  }
  static std::vector<std::string> ids(const SamplePlan& plan) {
    std::vector<std::string> all;
    for (const auto& sample : plan.samples) all.push_back(sample.id);
    return all;
  }

  testing::TemporaryFolder folder_;
  Config config_;
};

TEST_F(Plan, IdsFollowFromTheContentAndEqualPromptsAreSeparateSamples) {
  // FNV-1a of "foobar" and "a".
  EXPECT_EQ(ids(plan("a.txt", "foobar\na\nfoobar\nfoobar\n")),
            (std::vector<std::string>{"85944171f73967e8", "af63dc4c8601ec8c", "85944171f73967e8-2",
                                      "85944171f73967e8-3"}));
}

TEST_F(Plan, IdsAndNoiseStayWhenLinesAreMovedInsertedOrWrittenAsAnotherKind) {
  const auto before = plan("a.txt", "one\ntwo\nthree\n");
  const auto after = plan("b.jsonl", R"({"prompt": "new"})"
                                     "\n"
                                     R"({"prompt": "three"})"
                                     "\n"
                                     R"({"prompt": "one", "samples": 2})"
                                     "\n"
                                     R"({"prompt": "two"})"
                                     "\n");
  for (const auto& sample : before.samples) {
    const auto same = std::find_if(after.samples.begin(), after.samples.end(),
                                   [&](const Sample& other) { return other.id == sample.id; });
    ASSERT_NE(same, after.samples.end());
    EXPECT_EQ(after.prompt_of(*same).text, before.prompt_of(sample).text);
    EXPECT_EQ(same->seed, sample.seed);
    EXPECT_EQ(same->noise_sample, sample.noise_sample);
  }
}

TEST_F(Plan, CopiesHaveSuffixesAndNoiseOfTheirOwn) {
  config_.samples_per_prompt = 2;
  config_.seed = 9;
  const auto made = plan("a.jsonl", R"({"prompt": "a", "id": "x"})"
                                    "\n"
                                    R"({"prompt": "b", "id": "y", "samples": 3})");
  EXPECT_EQ(ids(made), (std::vector<std::string>{"x", "x-s1", "y", "y-s1", "y-s2"}));
  std::set<std::uint64_t> noise;
  for (std::size_t i = 0; i < made.samples.size(); ++i) {
    EXPECT_EQ(made.samples[i].index, i);
    EXPECT_EQ(made.samples[i].seed, 9u);
    EXPECT_EQ(made.samples[i].noise_sample, hash_of_text(made.samples[i].id));
    noise.insert(made.samples[i].noise_sample);
  }
  EXPECT_EQ(noise.size(), 5u);
  EXPECT_EQ(made.samples[4].prompt, 1u);
  EXPECT_EQ(made.samples[4].copy, 2);
}

TEST_F(Plan, ASeedOnTheLineReproducesInAnyList) {
  config_.seed = 1;
  const auto first = plan("a.jsonl", R"({"prompt": "a", "seed": 7, "samples": 2})");
  config_.seed = 2;
  const auto second = plan("b.csv", "id,prompt,seed,samples\nz,zzz,,1\nother,a,7,2\n");
  for (std::size_t copy = 0; copy < 2; ++copy) {
    EXPECT_EQ(first.samples[copy].seed, 7u);
    EXPECT_EQ(first.samples[copy].noise_sample, copy);
    EXPECT_EQ(second.samples[1 + copy].seed, 7u);
    EXPECT_EQ(second.samples[1 + copy].noise_sample, copy);
  }
}

TEST_F(Plan, AnIdThatEqualsAMadeOneIsAnErrorWithBothLines) {
  expect_contains(error_of(ExitCode::input,
                           [&] {
                             plan("a.jsonl", R"({"prompt": "a", "id": "x", "samples": 2})"
                                             "\n"
                                             R"({"prompt": "b", "id": "x-s1"})");
                           }),
                  "a.jsonl:2: id: 'x-s1' (a sample of line 1 has it already); choose another id");
  expect_contains(error_of(ExitCode::input,
                           [&] {
                             plan("b.jsonl", R"({"prompt": "b", "id": "85944171f73967e8"})"
                                             "\n"
                                             R"({"prompt": "foobar"})");
                           }),
                  "b.jsonl:2: id: '85944171f73967e8' (a sample of line 1 has it already)");
}

TEST_F(Plan, TheLongestComeFirstAndEqualOnesInTheOrderOfTheList) {
  const auto made = plan("a.csv", "prompt,frames\na,\nb,9\nc,93\nd,\ne,93\n");
  EXPECT_EQ(made.samples[0].frames, 81);
  EXPECT_EQ(longest_first(made), (std::vector<std::size_t>{2, 4, 0, 3, 1}));
}

TEST_F(Plan, FilesLieInNumberedFoldersOfBoundedSize) {
  Sample sample;
  sample.id = "x";
  EXPECT_EQ(sample_stem(sample, 1000), "0000/x");
  sample.index = 999;
  EXPECT_EQ(sample_stem(sample, 1000), "0000/x");
  sample.index = 1000;
  EXPECT_EQ(sample_stem(sample, 1000), "0001/x");
  sample.index = 123456;
  EXPECT_EQ(sample_stem(sample, 10), "12345/x");
}

TEST_F(Plan, AHundredThousandLinesOfEachKindTakeNoTime) {
  std::string text, json, csv = "prompt,id\n";
  for (int i = 0; i < 100000; ++i) {
    const std::string prompt =
        fmt::format("prompt number {} of a long list, with some more words to it", i);
    text += prompt + "\n";
    json += fmt::format("{{\"prompt\": \"{}\", \"id\": \"id{}\"}}\n", prompt, i);
    csv += fmt::format("\"{}\",id{}\n", prompt, i);
  }
  for (const auto& [name, list] :
       {std::pair{"a.txt", &text}, {"a.jsonl", &json}, {"a.csv", &csv}}) {
    const auto start = std::chrono::steady_clock::now();
    const auto made = plan(name, *list);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    EXPECT_EQ(made.samples.size(), 100000u);
    // Ten times what a busy machine needs; an algorithm that is quadratic in the lines takes
    // hundreds.
    EXPECT_LT(seconds.count(), 10.0) << name;
  }
}

}  // namespace
}  // namespace causeway
