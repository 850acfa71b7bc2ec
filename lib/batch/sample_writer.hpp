// The files of one sample, filled while the video grows.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "batch/config.hpp"
#include "batch/run_directory.hpp"
#include "batch/sample_job.hpp"
#include "output/output.hpp"
#include "rollout/rollout.hpp"

namespace causeway {

/// What every file of a run says about its origin.
struct Provenance {
  std::string configuration;  ///< YAML
  std::string checkpoint_hash;
  std::string backend;  ///< name of the kernels
};

/// Collects latents and encodes frames as they come. Nothing has its final name before `publish`,
/// and the latents get theirs first: who finds the MP4 finds the latents too.
class SampleWriter final : public VideoSink {
 public:
  /// latent_shape: channels, frames, height, width. `on_frames` hears how many frames were decoded.
  SampleWriter(const Config& config, const RunDirectory& directory, const SampleJob& job,
               const Provenance& provenance, std::array<std::int64_t, 4> latent_shape,
               std::function<void(std::int64_t)> on_frames);

  void latents(const ChunkSpan& span, ConstView chunk) override;
  void frames(ConstView yuv420p) override;
  /// Writes the latents (durable), then completes the MP4. `timings` is JSON. Throws Error(output).
  void publish(const std::string& timings);

  std::int64_t frame_count() const { return frame_count_; }
  double seconds() const { return seconds_; }  ///< spent in encoding and writing

 private:
  Attributes attributes(const std::string& timings) const;

  const Config& config_;
  const RunDirectory& directory_;
  const SampleJob& job_;
  const Provenance& provenance_;
  std::array<std::int64_t, 4> shape_;
  std::function<void(std::int64_t)> on_frames_;
  std::vector<float> latents_;
  std::optional<VideoWriter> video_;
  std::int64_t frame_count_ = 0;
  double seconds_ = 0;
};

/// How the configuration wants its videos encoded.
VideoSettings video_settings(const Config& config, const std::filesystem::path& path);

/// The prompt of a sample as its files keep it: the text, or a JSON list of [first chunk, text].
std::string prompt_text(const SampleJob& job);

}  // namespace causeway
