// Latents to HDF5, frames to MP4, in that order of appearance.
#include "batch/sample_writer.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/build_info.hpp"
#include "core/clock.hpp"

namespace causeway {
namespace {

/// Adds the time until its end to `total`.
class Timer {
 public:
  explicit Timer(double& total) : total_(total), start_(Clock::now()) {}
  ~Timer() { total_ += seconds_since(start_); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  double& total_;
  Clock::time_point start_;
};

LatentsType stored_type(ElementType type) {
  switch (type) {
    case ElementType::f16:
      return LatentsType::f16;
    case ElementType::bf16:
      return LatentsType::bf16;
    default:
      return LatentsType::f32;
  }
}

}  // namespace

VideoSettings video_settings(const Config& config, const std::filesystem::path& path) {
  VideoSettings settings;
  settings.path = path;
  settings.width = config.video.width;
  settings.height = config.video.height;
  settings.fps = {config.video.fps, 1};
  settings.codec = config.encoding.codec;
  settings.crf = config.encoding.crf;
  settings.preset = config.encoding.preset;
  settings.options.assign(config.encoding.options.begin(), config.encoding.options.end());
  return settings;
}

std::string prompt_text(const SampleJob& job) {
  if (job.prompts.size() == 1) return job.prompts.front().text;
  nlohmann::json list = nlohmann::json::array();
  for (const auto& range : job.prompts) list.push_back({range.first_chunk, range.text});
  return list.dump();
}

SampleWriter::SampleWriter(const Config& config, const RunDirectory& directory,
                           const SampleJob& job, const Provenance& provenance,
                           std::array<std::int64_t, 4> latent_shape,
                           std::function<void(std::int64_t)> on_frames)
    : config_(config),
      directory_(directory),
      job_(job),
      provenance_(provenance),
      shape_(latent_shape),
      on_frames_(std::move(on_frames)) {
  make_directories(directory.latents(job.stem).parent_path());
  if (config.latents.save) {
    latents_.resize(static_cast<std::size_t>(shape_[0] * shape_[1] * shape_[2] * shape_[3]));
  }
  if (config.encoding.save) {
    VideoSettings settings = video_settings(config, directory.video(job.stem));
    settings.title = job.id;
    settings.comment = prompt_text(job);
    video_.emplace(settings);
  }
}

void SampleWriter::latents(const ChunkSpan& span, ConstView chunk) {
  if (latents_.empty()) return;
  const std::int64_t plane = shape_[2] * shape_[3];
  const auto* from = static_cast<const float*>(chunk.data);
  for (std::int64_t c = 0; c < shape_[0]; ++c) {
    std::copy_n(from + c * span.frames * plane, span.frames * plane,
                latents_.begin() + (c * shape_[1] + span.first_frame) * plane);
  }
}

void SampleWriter::frames(ConstView yuv420p) {
  const Timer timer(seconds_);
  for (std::int64_t i = 0; i < yuv420p.shape[0] && video_; ++i) {
    video_->write(static_cast<const std::uint8_t*>(yuv420p.data) + i * yuv420p.shape[1]);
  }
  frame_count_ += yuv420p.shape[0];
  on_frames_(yuv420p.shape[0]);
}

Attributes SampleWriter::attributes(const std::string& timings) const {
  namespace name = latents_attribute;
  return {{name::id, job_.id},
          {name::prompt, prompt_text(job_)},
          {name::seed, job_.seed},
          {"noise_sample", job_.noise_sample},
          {name::configuration, provenance_.configuration},
          {name::checkpoint, provenance_.checkpoint_hash},
          {name::code_version, version() + " " + build_commit()},
          {name::precision, config_.model.precision == ElementType::bf16 ? "bf16" : "fp32"},
          {"backend", provenance_.backend},
          {name::scaling, "normalised"},
          {name::fps, static_cast<std::int64_t>(config_.video.fps)},
          {name::height, static_cast<std::int64_t>(config_.video.height)},
          {name::width, static_cast<std::int64_t>(config_.video.width)},
          {name::timings, timings}};
}

void SampleWriter::publish(const std::string& timings) {
  const Timer timer(seconds_);
  if (config_.latents.save) {
    write_latents(directory_.latents(job_.stem),
                  {shape_, latents_, stored_type(config_.latents.type), attributes(timings)});
  }
  if (video_) {
    video_->publish();
    return;
  }
  // Without an MP4 nothing was decoded; the video's frames count when its latents are there.
  frame_count_ = job_.frames;
  on_frames_(frame_count_);
}

}  // namespace causeway
