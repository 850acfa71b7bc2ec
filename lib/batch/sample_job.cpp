// Samples to messages and back (JSON).
#include "batch/sample_job.hpp"

#include "batch/json_text.hpp"

namespace causeway {

using Json = nlohmann::json;

SampleJob make_sample_job(const SamplePlan& plan, std::size_t number, int files_per_folder) {
  const Sample& sample = plan.samples.at(number);
  const Prompt& prompt = plan.prompt_of(sample);
  SampleJob job;
  job.number = number;
  job.id = sample.id;
  job.stem = sample_stem(sample, files_per_folder);
  job.prompts = prompt_ranges(prompt);
  job.seed = sample.seed;
  job.noise_sample = sample.noise_sample;
  job.frames = sample.frames;
  job.video = prompt.video;
  return job;
}

std::string to_message(const SampleJob& job) {
  Json prompts = Json::array();
  for (const auto& range : job.prompts) prompts.push_back({range.first_chunk, range.text});
  const Json json = {{"number", job.number},
                     {"id", job.id},
                     {"stem", job.stem},
                     {"prompts", prompts},
                     {"seed", job.seed},
                     {"noise_sample", job.noise_sample},
                     {"frames", job.frames},
                     {"video", job.video},
                     {"initial_frames", job.initial_frames},
                     {"problem", job.problem},
                     {"problem_code", job.problem_code}};
  // Paths and messages about them need not be UTF-8; prompts are.
  return json_text(json);
}

SampleJob sample_job_from(const std::string& message) {
  const Json json = Json::parse(message);
  SampleJob job;
  job.number = json.at("number").get<std::size_t>();
  job.id = json.at("id").get<std::string>();
  job.stem = json.at("stem").get<std::string>();
  for (const auto& entry : json.at("prompts")) {
    job.prompts.push_back({entry.at(0).get<int>(), entry.at(1).get<std::string>()});
  }
  job.seed = json.at("seed").get<std::uint64_t>();
  job.noise_sample = json.at("noise_sample").get<std::uint64_t>();
  job.frames = json.at("frames").get<std::int64_t>();
  job.video = json.at("video").get<std::string>();
  job.initial_frames = json.at("initial_frames").get<std::int64_t>();
  job.problem = json.at("problem").get<std::string>();
  job.problem_code = json.at("problem_code").get<int>();
  return job;
}

}  // namespace causeway
