// What a run says at its end: report.json for machines, a short table for people.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "batch/config.hpp"
#include "batch/sample_queue.hpp"

namespace causeway {

/// Seconds by stage. Stages do not overlap, save `exchange`, which is a part of prefill, denoise
/// and refresh.
using StageSeconds = std::map<std::string, double>;

/// The middle value, or the mean of the two in the middle; 0 of none.
double median(std::vector<double> values);

/// What one rank counted over the whole run.
struct RankReport {
  int rank = 0, group = 0, rank_in_group = 0, threads = 0;
  std::string host;
  std::int64_t videos = 0;
  std::int64_t prompts_encoded = 0;  ///< runs of the text encoder
  StageSeconds seconds;
  std::int64_t exchanged_bytes = 0;  ///< sent to other ranks of the job group
  std::int64_t peak_resident = 0;    ///< bytes, largest resident set of the process (VmHWM)
  std::int64_t weights = 0, kv_cache = 0, context = 0, chunk_buffers = 0,
               vae_caches = 0;  ///< bytes, at most
  /// Weights + KV cache + VAE caches + 1 GB: what a rank should stay below.
  std::int64_t memory_bound() const { return weights + kv_cache + vae_caches + 1'000'000'000; }
};

std::string to_message(const RankReport& report);
RankReport rank_report_from(const std::string& message);

/// Largest resident set of this process so far, bytes (0 where the system does not say).
std::int64_t peak_resident_bytes();

/// The whole run, on rank 0.
struct RunReport {
  std::string started, finished;  ///< UTC, ISO 8601
  double seconds = 0;             ///< from the first sample taken to the last file
  double start_up_seconds = 0;    ///< before that: reading, checking, loading
  std::string backend, checkpoint_hash, configuration;
  int ranks = 1, groups = 1;
  std::size_t samples_total = 0, samples_skipped = 0, samples_not_started = 0;
  std::vector<SampleResult> results;  ///< of this run
  std::vector<std::string> ids;       ///< of all samples in the plan, by number
  std::vector<double> first_frame;    ///< seconds per video
  std::vector<RankReport> rank_reports;
};

/// JSON text with a newline at the end.
std::string report_json(const RunReport& report);
/// A few lines for a terminal.
std::string report_table(const RunReport& report);

}  // namespace causeway
