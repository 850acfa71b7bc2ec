// The report: what ranks send arrives, sums and shares are right, and the JSON can be read.
#include "batch/report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "batch/progress.hpp"
#include "batch/sample_job.hpp"

namespace causeway::testing {
namespace {

RankReport some_rank(int rank, double denoise) {
  RankReport report;
  report.rank = rank;
  report.group = rank / 2;
  report.host = "node";
  report.threads = 4;
  report.videos = 3;
  report.seconds = {{"denoise", denoise}, {"exchange", 0.5}, {"wait", 1.0}};
  report.exchanged_bytes = 1000;
  report.peak_resident = 3'000'000'000;
  report.weights = 1'500'000'000;
  report.kv_cache = 400'000'000;
  return report;
}

TEST(RankReport, ComesBackFromItsMessage) {
  const RankReport sent = some_rank(5, 7.25), got = rank_report_from(to_message(sent));
  EXPECT_EQ(got.rank, 5);
  EXPECT_EQ(got.host, "node");
  EXPECT_EQ(got.seconds, sent.seconds);
  EXPECT_EQ(got.peak_resident, sent.peak_resident);
  EXPECT_EQ(got.memory_bound(), 2'900'000'000);
}

TEST(RunReport, AddsUpRanksAndLeavesExchangeOutOfTheShares) {
  RunReport report;
  report.seconds = 10;
  report.ids = {"a", "b", "c"};
  report.samples_total = 3;
  report.rank_reports = {some_rank(0, 5), some_rank(1, 3)};
  SampleResult good, bad;
  good.done = true;
  good.frames = 81;
  bad.number = 2;
  bad.problem = "why";
  report.results = {good, bad};
  report.first_frame = {3.0, 1.0, 2.0};
  const auto json = nlohmann::json::parse(report_json(report));
  EXPECT_EQ(json["samples"]["done"], 1);
  EXPECT_EQ(json["samples"]["failures"][0]["id"], "c");
  EXPECT_EQ(json["bytes_exchanged"], 2000);
  EXPECT_DOUBLE_EQ(json["videos_per_hour"], 360.0);
  EXPECT_DOUBLE_EQ(json["frames_per_second"], 8.1);
  EXPECT_DOUBLE_EQ(json["first_frame_seconds"]["median"], 2.0);
  EXPECT_DOUBLE_EQ(json["stages"]["denoise"]["share"], 0.8);
  EXPECT_FALSE(json["per_rank"][0]["within_memory_bound"].get<bool>());
  EXPECT_NE(report_table(report).find("1 done"), std::string::npos);
}

TEST(RunReport, AnEmptyRunHasAReportToo) {
  const auto json = nlohmann::json::parse(report_json({}));
  EXPECT_EQ(json["samples"]["done"], 0);
  EXPECT_EQ(json["frames_per_second"], 0.0);
}

TEST(SampleJob, ComesBackFromItsMessage) {
  SampleJob job;
  job.number = 12;
  job.id = "some-id";
  job.stem = "0001/some-id";
  job.prompts = {{0, "a caf\xc3\xa9"}, {3, "\"quoted\"\nlines"}};
  job.seed = 0xffffffffffffffffu;
  job.noise_sample = 1;
  job.frames = 81;
  job.video = "/a/b.mp4";
  const SampleJob got = sample_job_from(to_message(job));
  EXPECT_EQ(got.prompts, job.prompts);
  EXPECT_EQ(got.seed, job.seed);
  EXPECT_EQ(got.stem, job.stem);
  EXPECT_EQ(got.video, job.video);
}

TEST(Progress, SaysHowFarItIsAndHowLongItTakes) {
  std::FILE* sink = std::fopen("/dev/null", "w");
  Progress progress(50, 10, 1000, sink);
  progress.frames_decoded(100);
  progress.sample_ended(true);
  progress.sample_ended(false);
  const std::string text = progress.text();
  EXPECT_EQ(text.substr(0, 24), "11/50 samples, 1 failed,");
  EXPECT_NE(text.find("frames/s"), std::string::npos);
  EXPECT_NE(text.find("left"), std::string::npos);
  std::fclose(sink);
  EXPECT_EQ(readable_seconds(12.34), "12.3 s");
  EXPECT_EQ(readable_seconds(125), "2 min 05 s");
  EXPECT_EQ(readable_seconds(7380), "2 h 03 min");
  EXPECT_EQ(readable_bytes(5'675'987'200.0), "5.68 GB");
}

}  // namespace
}  // namespace causeway::testing
