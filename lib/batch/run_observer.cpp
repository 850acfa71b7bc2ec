// The record of a run.
#include "batch/run_observer.hpp"

#include <ctime>

#include "batch/json_text.hpp"

namespace causeway {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32] = {};
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

RunObserver::RunObserver(const SamplePlan& plan, const Config& config,
                         const RunDirectory& directory, std::size_t already_done,
                         std::int64_t expected_frames)
    : plan_(plan),
      config_(config),
      journal_(directory.journal()),
      log_(directory.log()),
      progress_(plan.samples.size(), already_done, expected_frames, stderr) {}

void RunObserver::log(const std::string& line) { log_.append(utc_now() + " " + line); }

void RunObserver::taken(std::size_t number, int group) {
  log(fmt::format("group {} takes {} ({} frames)", group, plan_.samples.at(number).id,
                  plan_.samples.at(number).frames));
}

void RunObserver::progressed(std::int64_t frames) { progress_.frames_decoded(frames); }

void RunObserver::ended(const SampleResult& result) {
  const Sample& sample = plan_.samples.at(result.number);
  results_.push_back(result);
  if (result.done) {
    const std::string stem = "samples/" + sample_stem(sample, config_.files_per_folder);
    nlohmann::ordered_json entry = {{"id", sample.id},
                                    {"index", sample.index},
                                    {"content", content_of(plan_, sample)},
                                    {"finished", utc_now()}};
    if (config_.latents.save) entry["latents"] = stem + ".h5";
    if (config_.encoding.save) entry["video"] = stem + ".mp4";
    entry["frames"] = result.frames;
    entry["seconds"] = result.seconds;
    entry["timings"] = nlohmann::ordered_json::parse(result.details);
    journal_.append(json_text(entry));
    log(fmt::format("done {} in {:.2f} s", sample.id, result.seconds));
  } else {
    progress_.say(fmt::format("sample {} failed: {}", sample.id, result.problem));
    log(fmt::format("failed {}: {}", sample.id, result.problem));
  }
  if (!result.notice.empty()) {
    progress_.say(sample.id + ": " + result.notice);
    log(sample.id + ": " + result.notice);
  }
  progress_.sample_ended(result.done);
}

}  // namespace causeway
