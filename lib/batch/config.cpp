// Quantities that follow from a configuration, and the checks that other parts repeat.
#include "batch/config.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace causeway {
namespace {

/// Frames of a video of `chunks` chunks.
long frames_of_chunks(long chunks, const RolloutConfig& rollout) {
  const long extra = rollout.independent_first_frame ? 1 : 0;
  const long latents = extra + (chunks - extra) * rollout.chunk_frames;
  return 4 * (latents - 1) + 1;
}

}  // namespace

bool same_settings(const Config& a, const Config& b) {
  return a.model == b.model && a.prompts == b.prompts && a.output == b.output && a.seed == b.seed &&
         a.video == b.video && a.rollout == b.rollout && a.parallel == b.parallel &&
         a.latents == b.latents && a.encoding == b.encoding &&
         a.samples_per_prompt == b.samples_per_prompt && a.files_per_folder == b.files_per_folder;
}

int latent_frames(int frames) {
  expects(frames >= 1 && frames % 4 == 1, "a video has 4k + 1 frames");
  return 1 + (frames - 1) / 4;
}

int chunk_count(int frames, const RolloutConfig& rollout) {
  const int latents = latent_frames(frames);
  const int extra = rollout.independent_first_frame ? 1 : 0;
  expects((latents - extra) % rollout.chunk_frames == 0, "the latent frames fill whole chunks");
  return extra + (latents - extra) / rollout.chunk_frames;
}

int frames_of_chunk(int chunk, const RolloutConfig& rollout) {
  return chunk == 0 && rollout.independent_first_frame ? 1 : rollout.chunk_frames;
}

std::string frame_count_problem(int frames, const RolloutConfig& rollout) {
  // The least chunk count whose video is at least as long; a video has one chunk or more.
  const long step = 4L * rollout.chunk_frames;
  const long first = frames_of_chunks(1, rollout);
  const long upper = frames <= first ? 1 : 1 + (frames - first + step - 1) / step;
  const long above = frames_of_chunks(upper, rollout);
  if (above == frames) return "";
  const std::string nearest =
      upper > 1 ? fmt::format("{} or {}", frames_of_chunks(upper - 1, rollout), above)
                : fmt::format("{}", above);
  if (frames % 4 != 1) {
    return fmt::format(
        "(a video has 4k + 1 frames, and chunks of {} latent frames); nearest valid: {}",
        rollout.chunk_frames, nearest);
  }
  const long latents = 1 + (frames - 1) / 4;
  if (rollout.independent_first_frame) {
    return fmt::format(
        "({} latent frames are not 1 + a multiple of the chunk of {}); nearest valid: {}", latents,
        rollout.chunk_frames, nearest);
  }
  return fmt::format("({} latent frames are not a multiple of the chunk of {}); nearest valid: {}",
                     latents, rollout.chunk_frames, nearest);
}

int resolved_group_size(const Config& config, int ranks) {
  return config.parallel.group_size == 0 ? ranks : config.parallel.group_size;
}

std::string group_size_problem(const Config& config, int ranks) {
  expects(ranks >= 1, "a job has one rank or more");
  const int group = resolved_group_size(config, ranks);
  if (ranks % group == 0) return "";
  int below = std::min(group, ranks);
  while (ranks % below != 0) --below;
  int above = group;
  while (above < ranks && ranks % above != 0) ++above;
  const auto place = config.places.find("parallel.group_size");
  return fmt::format(
      "{}parallel.group_size: {} (does not divide the {} rank{} of this job into equal job "
      "groups); nearest valid: {}",
      place == config.places.end() ? "" : place->second + ": ", group, ranks, ranks == 1 ? "" : "s",
      above <= ranks && above != below ? fmt::format("{} or {}", below, above)
                                       : fmt::format("{}", below));
}

}  // namespace causeway
