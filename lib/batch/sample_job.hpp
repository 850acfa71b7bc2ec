// One sample as it travels from the queue to a job group.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "batch/sample_plan.hpp"

namespace causeway {

/// All that a job group must know to make one video.
struct SampleJob {
  std::size_t number = 0;  ///< index in the plan
  std::string id;
  std::string stem;  ///< of its files below samples/, see sample_stem
  std::vector<PromptRange> prompts;
  std::uint64_t seed = 0, noise_sample = 0;
  std::int64_t frames = 0;  ///< of the whole video
  std::string video;        ///< file to go on from, or empty

  // Filled in by the group's leader:
  std::int64_t initial_frames = 0;  ///< latent frames given
  std::string problem;              ///< why the sample cannot even be started; empty: it can
  int problem_code = 0;             ///< ExitCode of that
};

SampleJob make_sample_job(const SamplePlan& plan, std::size_t number, int files_per_folder);

std::string to_message(const SampleJob& job);
SampleJob sample_job_from(const std::string& message);

}  // namespace causeway
