// Tests of configurations: every file of the repository, the defaults, overrides, and printing.
#include <gtest/gtest.h>

#include "batch/config_printer.hpp"
#include "batch/config_reader.hpp"
#include "batch_test_files.hpp"

namespace causeway {
namespace {

namespace fs = std::filesystem;
using testing::error_of;
using testing::expect_contains;

const fs::path source = CAUSEWAY_SOURCE_DIR;
const std::string base = "model: {path: m}\nprompts: p.txt\noutput: o\n";

ConfigOverrides with_set(const std::vector<std::string>& set,
                         const std::optional<std::string>& prompts = {},
                         const std::optional<std::string>& output = {}) {
  ConfigOverrides overrides;
  overrides.set = set;
  overrides.prompts = prompts;
  overrides.output = output;
  return overrides;
}

Config parse(const std::string& text, const std::vector<std::string>& set = {}) {
  return parse_config({text, "run.yaml", "/runs"}, with_set(set));
}

std::string usage_error(const std::string& text, const std::vector<std::string>& set = {}) {
  return error_of(ExitCode::usage, [&] { parse(text, set); });
}

TEST(ConfigFiles, EveryRunOfTheRepositoryIsValidAndItsPromptsAreThere) {
  const auto files = testing::files_of(source / "configs/runs");
  ASSERT_GE(files.size(), 2u);
  for (const auto& file : files) {
    SCOPED_TRACE(file);
    Config config;
    ASSERT_NO_THROW(config = read_config(file));
    EXPECT_TRUE(fs::is_regular_file(config.prompts)) << config.prompts;
  }
}

TEST(ConfigFiles, EveryValidExampleIsRead) {
  const auto files = testing::files_of(source / "tests/configs/valid");
  ASSERT_GE(files.size(), 5u);
  for (const auto& file : files) {
    if (file.extension() != ".yaml") continue;
    SCOPED_TRACE(file);
    EXPECT_NO_THROW(read_config(file));
  }
}

TEST(ConfigFiles, EveryInvalidExampleFailsWithItsMessages) {
  const auto files = testing::files_of(source / "tests/configs/invalid");
  ASSERT_GE(files.size(), 40u);
  for (const auto& file : files) {
    if (file.extension() != ".yaml") continue;
    SCOPED_TRACE(file);
    const std::string message = error_of(ExitCode::usage, [&] { read_config(file); });
    std::ifstream text(file);
    const std::string mark = "# expect: ";
    int expected = 0;
    for (std::string line; std::getline(text, line) && line.starts_with(mark); ++expected) {
      expect_contains(message, line.substr(mark.size()));
    }
    EXPECT_GE(expected, 1) << "the file does not say what it expects";
  }
}

TEST(ConfigFiles, TheDefaultsAreThePublishedSelfForcingConfiguration) {
  const Config config = parse(base);
  EXPECT_EQ(config.video, (VideoConfig{480, 832, 81, 16}));
  EXPECT_EQ(config.rollout.denoising_steps, (std::vector<int>{1000, 750, 500, 250}));
  EXPECT_TRUE(config.rollout.warp_denoising_step);
  EXPECT_EQ(config.rollout.shift, 5.0);
  EXPECT_EQ(config.rollout.chunk_frames, 3);
  EXPECT_EQ(config.rollout.context_noise, 0.0);
  EXPECT_EQ(config.rollout.window_frames, -1);
  EXPECT_EQ(config.rollout.sink_frames, 0);
  EXPECT_FALSE(config.rollout.independent_first_frame);
  EXPECT_EQ(config.seed, 0u);
  EXPECT_EQ(latent_frames(config.video.frames), 21);
  EXPECT_EQ(chunk_count(config.video.frames, config.rollout), 7);
  const Config published = read_config(source / "configs/runs/selfforcing_1.3b.yaml");
  EXPECT_EQ(published.video, config.video);
  EXPECT_EQ(published.rollout, config.rollout);
}

TEST(ConfigFiles, RelativePathsCountFromTheFileAndThoseOfTheCommandLineFromTheWorkingDirectory) {
  const Config config =
      parse_config({"model: {path: ../m/}\nprompts: p.txt\noutput: /o/../out\n", "x", "/runs/a"},
                   with_set({"model.transformer_file=w: 1.pt"}, {}, "results"));
  EXPECT_EQ(config.model.path, "/runs/m");
  EXPECT_EQ(config.prompts, "/runs/a/p.txt");
  EXPECT_EQ(config.model.transformer_file, (fs::current_path() / "w: 1.pt").string());
  EXPECT_EQ(config.output, (fs::current_path() / "results").string());
}

TEST(ConfigFiles, MissingFilesFoldersAndBinariesAreRefused) {
  const testing::TemporaryFolder folder;
  const auto error = [&](const fs::path& path) {
    return error_of(ExitCode::usage, [&] { read_config(path); });
  };
  expect_contains(error(folder.path() / "none.yaml"), "there is no such file");
  expect_contains(error(folder.path()), "it is a folder");
  expect_contains(error(folder.write("big.yaml", std::string(2 << 20, '#'))),
                  "is it the right file?");
  expect_contains(error(folder.write("nul.yaml", std::string_view("seed: 1\n\0", 9))),
                  "nul.yaml:2: byte 9 ");
  expect_contains(error(folder.write("latin.yaml", "output: caf\xE9\n")),
                  "byte 12 of the configuration is not UTF-8");
  expect_contains(error(folder.write("wide.yaml", std::string_view("\xFF\xFEs\0", 4))),
                  "it is UTF-16");
  EXPECT_NO_THROW(read_config(folder.write("bom.yaml",
                                           "\xEF\xBB\xBF"
                                           "model: {path: m}\r\nprompts: p\r\noutput: o\r\n")));
}

TEST(ConfigFiles, AliasesThatMultiplyAreStopped) {
  std::string text = base + "a: &a [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\n";
  for (char name = 'b'; name <= 'j'; ++name) {
    const std::string part = std::string("*") + static_cast<char>(name - 1) + " ";
    text += std::string(1, name) + ": &" + name + " [" + part;
    for (int i = 0; i < 19; ++i) text += "," + part;
    text += "]\n";
  }
  expect_contains(usage_error(text), "more than 100000 values");
  EXPECT_FALSE(usage_error(std::string(20000, '[')).empty());
  EXPECT_FALSE(usage_error("video: &v {<<: *v, height: 20}\n").empty());
}

TEST(ConfigFiles, AllProblemsComeInOneErrorByLine) {
  const std::string message = usage_error(base + "seed: x\nvideo: {fps: 0}\nlatents: {typ: f32}\n",
                                          {"parallel.threads=-1"});
  expect_contains(message,
                  "the configuration 'run.yaml' has 4 problems:\n"
                  "  run.yaml:4: seed: x (not a whole number); write a whole number from 0 to "
                  "18446744073709551615\n"
                  "  run.yaml:5: video.fps: 0 (out of range: from 1 to 240); nearest valid: 1\n"
                  "  run.yaml:6: latents.typ: unknown key; nearest: latents.type\n"
                  "  --set parallel.threads=-1: parallel.threads: -1 (out of range: from 0 to "
                  "4096); nearest valid: 0");
}

TEST(ConfigOverrides, ReplaceWhatTheFileSaysAndTheLastCounts) {
  const Config config =
      parse(base + "video: {frames: 80}\nencoding: {options: {tune: film, bf: 2}}\n",
            {"video.frames=93", "video.fps=8", "video.fps=24", "rollout.denoising_steps=1000,500",
             "model.path=a=b #c", "encoding.options.tune=grain", "encoding.options.aq-mode=3",
             "seed=18446744073709551615", "latents.save=false", "rollout.shift=8"});
  EXPECT_EQ(config.video.frames, 93);
  EXPECT_EQ(config.video.fps, 24);
  EXPECT_EQ(config.rollout.denoising_steps, (std::vector<int>{1000, 500}));
  EXPECT_EQ(fs::path(config.model.path).filename(), "a=b #c");
  EXPECT_EQ(config.encoding.options,
            (std::map<std::string, std::string>{{"tune", "grain"}, {"bf", "2"}, {"aq-mode", "3"}}));
  EXPECT_EQ(config.seed, UINT64_MAX);
  EXPECT_FALSE(config.latents.save);
  EXPECT_EQ(config.rollout.shift, 8.0);
  EXPECT_EQ(config.places.at("video.fps"), "--set video.fps=24");
  EXPECT_EQ(parse(base, {"rollout.denoising_steps=[1000, 250]"}).rollout.denoising_steps,
            (std::vector<int>{1000, 250}));
  EXPECT_EQ(parse(base, {"encoding.options={a: b}"}).encoding.options.at("a"), "b");
}

TEST(ConfigOverrides, PromptsAndOutputOfTheCommandLineStandInForMissingKeys) {
  const Config config =
      parse_config({"model: {path: /m}", "run.yaml", ""}, with_set({}, "/a/list.txt", "/a/out"));
  EXPECT_EQ(config.prompts, "/a/list.txt");
  EXPECT_EQ(config.output, "/a/out");
}

TEST(ConfigOverrides, ProblemsNameTheOption) {
  const auto problem = [](const std::string& option) { return usage_error(base, {option}); };
  expect_contains(problem("video.frames=80"),
                  "--set video.frames=80: video.frames: 80 (a video has 4k + 1 frames");
  expect_contains(problem("video.frame=81"),
                  "--set video.frame=81: video.frame: unknown key; nearest: video.frames");
  expect_contains(problem("video.frames"), "--set video.frames: not of the form key.path=value");
  expect_contains(problem("=3"), "not of the form key.path=value");
  expect_contains(problem(""), "not of the form key.path=value");
  expect_contains(
      problem("video=3"),
      "--set video=3: video is a section; set its keys one by one: its keys are height");
  expect_contains(problem("video.fps="),
                  "--set video.fps=: video.fps: '' (there is nothing where a value is expected)");
  expect_contains(problem("rollout.denoising_steps=1000,1000"),
                  "rollout.denoising_steps: [1000, 1000] (the steps go from noise to video: "
                  "strictly decreasing); "
                  "nearest valid: [1000]");
  expect_contains(problem("rollout.denoising_steps=[1000"),
                  "--set rollout.denoising_steps=[1000: not YAML");
  expect_contains(problem("rollout.denoising_steps="), "a list of timesteps is expected");
  expect_contains(problem("model.path=\xFF"), "not UTF-8");
}

TEST(ConfigRanks, TheGroupSizeMustDivideTheRanks) {
  const auto ranks = [](int group, int count) {
    ConfigOverrides overrides;
    overrides.ranks = count;
    parse_config({base + fmt::format("parallel: {{group_size: {}}}\n", group), "run.yaml", "/runs"},
                 overrides);
  };
  for (int group : {0, 1, 2, 4, 8}) EXPECT_NO_THROW(ranks(group, 8)) << group;
  EXPECT_NO_THROW(ranks(0, 7));
  const auto problem = [&](int group, int count) {
    return error_of(ExitCode::usage, [&] { ranks(group, count); });
  };
  expect_contains(
      problem(3, 8),
      "run.yaml:4: parallel.group_size: 3 (does not divide the 8 ranks of this job into "
      "equal job groups); "
      "nearest valid: 2 or 4");
  expect_contains(problem(16, 6), "nearest valid: 6");
  expect_contains(
      problem(2, 1),
      "does not divide the 1 rank of this job into equal job groups); nearest valid: 1");
  expect_contains(problem(5, 7), "nearest valid: 1 or 7");
  EXPECT_EQ(resolved_group_size(parse(base + "parallel: {group_size: 0}"), 6), 6);
}

TEST(ConfigFrames, ChunksFollowFromFrames) {
  RolloutConfig rollout;
  for (int chunks = 1; chunks < 50; ++chunks) {
    const int frames = 4 * (3 * chunks - 1) + 1;
    EXPECT_EQ(frame_count_problem(frames, rollout), "");
    EXPECT_EQ(latent_frames(frames), 3 * chunks);
    EXPECT_EQ(chunk_count(frames, rollout), chunks);
  }
  rollout.independent_first_frame = true;
  EXPECT_EQ(frame_count_problem(1, rollout), "");
  EXPECT_EQ(chunk_count(1, rollout), 1);
  EXPECT_EQ(chunk_count(13, rollout), 2);
  EXPECT_EQ(frames_of_chunk(0, rollout), 1);
  EXPECT_EQ(frames_of_chunk(1, rollout), 3);
  expect_contains(frame_count_problem(12, rollout), "nearest valid: 1 or 13");
}

TEST(ConfigFrames, AcceptedCountsAreExactlyThoseOfWholeChunks) {
  for (const bool independent : {false, true}) {
    for (int chunk = 1; chunk <= 5; ++chunk) {
      RolloutConfig rollout;
      rollout.chunk_frames = chunk;
      rollout.independent_first_frame = independent;
      std::vector<bool> valid(200, false);
      for (int latents = independent ? 1 : chunk; 4 * latents - 3 < 200; latents += chunk) {
        valid[static_cast<std::size_t>(4 * latents - 3)] = true;
      }
      for (int frames = 1; frames < 200; ++frames) {
        EXPECT_EQ(frame_count_problem(frames, rollout).empty(),
                  valid[static_cast<std::size_t>(frames)])
            << frames << " frames, chunk " << chunk << ", independent " << independent;
      }
    }
  }
}

TEST(ConfigPrinter, WhatItPrintsReadsBackToTheSameConfiguration) {
  std::vector<Config> configs{parse(base)};
  for (const auto& folder : {source / "configs/runs", source / "tests/configs/valid"}) {
    for (const auto& file : testing::files_of(folder)) {
      if (file.extension() == ".yaml") configs.push_back(read_config(file));
    }
  }
  Config odd = parse(base);
  odd.model = {"/m/with: colon #no 'comment' \"quoted\" \\ back\ttab\nline ~ é 鶴", "/t.pt",
               ElementType::f32};
  odd.seed = UINT64_MAX;
  odd.video = {16, 8192, 9, 240};
  odd.rollout.shift = 1.0 / 3;
  odd.rollout.context_noise = 1e-7;
  odd.rollout.denoising_steps = {1000};
  odd.rollout.warp_denoising_step = false;
  odd.rollout.window_frames = 21;
  odd.rollout.sink_frames = 18;
  odd.parallel = {DeviceKind::cuda, 0, 7};
  odd.latents = {false, ElementType::bf16};
  odd.encoding = {true,
                  "libsvtav1",
                  63,
                  "13",
                  {{"svtav1-params", "lp=1:tune=0"}, {"odd key", "true"}, {"n", "1"}}};
  odd.samples_per_prompt = 4;
  odd.files_per_folder = 10;
  configs.push_back(odd);
  for (const auto& config : configs) {
    const std::string text = print_config(config);
    SCOPED_TRACE(text);
    const Config again = parse_config({text, "printed", "/elsewhere"});
    EXPECT_TRUE(same_settings(again, config));
    EXPECT_EQ(print_config(again), text);
  }
  EXPECT_FALSE(same_settings(odd, configs[0]));
}

TEST(ConfigPrinter, EveryKeyIsPrintedWithAComment) {
  const std::string text = print_config(Config{});
  int keys = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    ++keys;
    EXPECT_NE(line.find("  # "), std::string::npos) << line;
  }
  EXPECT_EQ(keys, 34 + 6) << "34 keys and 6 sections\n" << text;
  for (const char* unit : {"pixels", "frames per second", "latent frames", "ranks", "timestep"}) {
    expect_contains(text, unit);
  }
}

}  // namespace
}  // namespace causeway
