// What rank 0 does when samples begin and end: journal, log, live line, results for the report.
#pragma once

#include <vector>

#include "batch/progress.hpp"
#include "batch/run_directory.hpp"
#include "batch/sample_plan.hpp"
#include "batch/sample_queue.hpp"

namespace causeway {

/// "2026-01-31T12:34:56Z".
std::string utc_now();

class RunObserver final : public QueueObserver {
 public:
  RunObserver(const SamplePlan& plan, const Config& config, const RunDirectory& directory,
              std::size_t already_done, std::int64_t expected_frames);

  void taken(std::size_t number, int group) override;
  void progressed(std::int64_t frames) override;
  /// The journal first: a sample is done when its files are complete and the journal says so.
  void ended(const SampleResult& result) override;

  void log(const std::string& line);
  void finish() { progress_.finish(); }
  const std::vector<SampleResult>& results() const { return results_; }

 private:
  const SamplePlan& plan_;
  const Config& config_;
  Journal journal_, log_;
  Progress progress_;
  std::vector<SampleResult> results_;
};

}  // namespace causeway
