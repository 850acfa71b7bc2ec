// Counting a run: per rank, per stage, over all.
#include "batch/report.hpp"

#include <algorithm>
#include <fstream>

#include "batch/json_text.hpp"
#include "batch/progress.hpp"
#include "core/build_info.hpp"

namespace causeway {
namespace {

using Json = nlohmann::ordered_json;

/// One place for the names of a rank's numbers.
template <class Report, class Visit>
void visit_numbers(Report& report, Visit&& visit) {
  visit("rank", report.rank);
  visit("group", report.group);
  visit("rank_in_group", report.rank_in_group);
  visit("host", report.host);
  visit("threads", report.threads);
  visit("videos", report.videos);
  visit("prompts_encoded", report.prompts_encoded);
  visit("seconds", report.seconds);
  visit("exchanged_bytes", report.exchanged_bytes);
  visit("peak_resident_bytes", report.peak_resident);
  visit("weight_bytes", report.weights);
  visit("kv_cache_bytes", report.kv_cache);
  visit("context_bytes", report.context);
  visit("chunk_buffer_bytes", report.chunk_buffers);
  visit("vae_cache_bytes", report.vae_caches);
}

Json rank_json(const RankReport& report) {
  Json json;
  visit_numbers(report, [&](const char* name, const auto& value) { json[name] = value; });
  json["memory_bound_bytes"] = report.memory_bound();
  json["within_memory_bound"] = report.peak_resident <= report.memory_bound();
  return json;
}

struct Totals {
  std::size_t done = 0, failed = 0;
  std::int64_t frames = 0, bytes = 0, peak = 0;
  StageSeconds stages;
  double stage_seconds = 0;  ///< without exchange, which lies inside others
};

Totals add_up(const RunReport& report) {
  Totals totals;
  for (const auto& result : report.results) {
    ++(result.done ? totals.done : totals.failed);
    totals.frames += result.frames;
  }
  for (const auto& rank : report.rank_reports) {
    totals.bytes += rank.exchanged_bytes;
    totals.peak = std::max(totals.peak, rank.peak_resident);
    for (const auto& [stage, seconds] : rank.seconds) {
      totals.stages[stage] += seconds;
      if (stage != "exchange") totals.stage_seconds += seconds;
    }
  }
  return totals;
}

Json sample_json(const RunReport& report, const Totals& totals) {
  Json failed = Json::array();
  for (const auto& result : report.results) {
    if (!result.done)
      failed.push_back({{"id", report.ids.at(result.number)}, {"problem", result.problem}});
  }
  return {{"total", report.samples_total},
          {"done", totals.done},
          {"skipped", report.samples_skipped},
          {"failed", totals.failed},
          {"not_started", report.samples_not_started},
          {"failures", failed}};
}

constexpr const char* protocol =
    "Wall-clock seconds of a monotonic clock on each rank. 'seconds' runs from the first sample "
    "that is taken "
    "to the last file that is published; start-up (reading, checking, loading, hashing the "
    "checkpoint) is apart. "
    "Stage seconds are sums over ranks and over finished videos, shares are of all ranks' stage "
    "seconds; "
    "'exchange' is the part of prefill, denoise and refresh spent in exchanges between ranks, "
    "waiting included (where GPUs exchange by NCCL, only until it was handed over to them); "
    "'wait' is time without a sample, or while the group's first rank reads a given video; "
    "'group_wait' that of "
    "ranks that wait for frames of their group's first rank; 'text' includes waiting for it to "
    "encode. On GPUs 'decode' and 'write' run beside the stages that come next, save in the first "
    "video of a size, so that "
    "stages may add up to more than 'seconds'. First-frame "
    "latency: from a "
    "job group's start on a video until its first chunk is decoded (a given first chunk counts; "
    "without an MP4, "
    "until its latents are final). Videos per hour and frames per second count finished videos "
    "over 'seconds'. No "
    "run was left out or warmed up.";

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

std::string to_message(const RankReport& report) {
  Json json;
  visit_numbers(report, [&](const char* name, const auto& value) { json[name] = value; });
  return json_text(json);
}

RankReport rank_report_from(const std::string& message) {
  const Json json = Json::parse(message);
  RankReport report;
  visit_numbers(report, [&](const char* name, auto& value) { json.at(name).get_to(value); });
  return report;
}

std::int64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) * 1024;
  }
  return 0;
}

std::string report_json(const RunReport& report) {
  const Totals totals = add_up(report);
  const double seconds = std::max(report.seconds, 1e-9);
  Json stages;
  for (const auto& [stage, spent] : totals.stages) {
    stages[stage] = {{"seconds", spent},
                     {"share", totals.stage_seconds > 0 ? spent / totals.stage_seconds : 0.0}};
  }
  Json latency = {{"videos", report.first_frame.size()}};
  if (!report.first_frame.empty()) {
    latency["min"] = *std::min_element(report.first_frame.begin(), report.first_frame.end());
    latency["median"] = median(report.first_frame);
    latency["max"] = *std::max_element(report.first_frame.begin(), report.first_frame.end());
  }
  Json ranks = Json::array();
  for (const auto& rank : report.rank_reports) ranks.push_back(rank_json(rank));
  const Json json = {{"causeway", {{"version", version()}, {"commit", build_commit()}}},
                     {"started", report.started},
                     {"finished", report.finished},
                     {"seconds", report.seconds},
                     {"start_up_seconds", report.start_up_seconds},
                     {"backend", report.backend},
                     {"checkpoint_hash", report.checkpoint_hash},
                     {"ranks", report.ranks},
                     {"groups", report.groups},
                     {"samples", sample_json(report, totals)},
                     {"frames", totals.frames},
                     {"frames_per_second", static_cast<double>(totals.frames) / seconds},
                     {"videos_per_hour", 3600.0 * static_cast<double>(totals.done) / seconds},
                     {"first_frame_seconds", latency},
                     {"stages", stages},
                     {"bytes_exchanged", totals.bytes},
                     {"peak_resident_bytes", totals.peak},
                     {"per_rank", ranks},
                     {"configuration", report.configuration},
                     {"protocol", protocol}};
  return json_text(json, 2) + "\n";
}

std::string report_table(const RunReport& report) {
  const Totals totals = add_up(report);
  const double seconds = std::max(report.seconds, 1e-9);
  std::string text = fmt::format(
      "samples      {} done, {} skipped (done before), {} failed, {} not started, of {}\n",
      totals.done, report.samples_skipped, totals.failed, report.samples_not_started,
      report.samples_total);
  text += fmt::format("time         {} (start-up {})\n", readable_seconds(report.seconds),
                      readable_seconds(report.start_up_seconds));
  if (totals.done > 0) {
    text += fmt::format("frames       {} of {} videos\n", totals.frames, totals.done);
    text += fmt::format("speed        {:.3g} frames/s, {:.4g} videos/hour\n",
                        static_cast<double>(totals.frames) / seconds,
                        3600.0 * static_cast<double>(totals.done) / seconds);
    text += fmt::format("first frame  {} (median of {})\n",
                        readable_seconds(median(report.first_frame)), report.first_frame.size());
  }
  for (const auto& [stage, spent] : totals.stages) {
    text += fmt::format("  {:<11}{:>10.2f} s {:>6.1f} %{}\n", stage, spent,
                        totals.stage_seconds > 0 ? 100.0 * spent / totals.stage_seconds : 0.0,
                        stage == "exchange" ? "  (inside prefill, denoise, refresh)" : "");
  }
  text +=
      fmt::format("exchanged    {} over {} ranks in {} groups\n",
                  readable_bytes(static_cast<double>(totals.bytes)), report.ranks, report.groups);
  text += fmt::format("memory       {} at most on a rank\n",
                      readable_bytes(static_cast<double>(totals.peak)));
  return text;
}

}  // namespace causeway
