// The loop of a job group.
#include "batch/group_runner.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/clock.hpp"
#include "output/output.hpp"

namespace causeway {
namespace {

/// Latent frames that a given clip of `frames` frames can contribute: the largest count that fills
/// whole chunks and leaves something to generate; 0 if there is none.
std::int64_t usable_latent_frames(std::int64_t frames, std::int64_t total, const VaeConfig& vae,
                                  const RolloutSettings& settings) {
  const std::int64_t available = frames > 0 ? 1 + (frames - 1) / vae.temporal_stride() : 0;
  std::int64_t usable = 0;
  for (const ChunkSpan& span : chunk_spans(total, settings)) {
    const std::int64_t end = span.first_frame + span.frames;
    if (end <= available && end < total) usable = end;
  }
  return usable;
}

/// `writing`: seconds that the sink spent.
std::string timing_json(const VideoReport& report, double writing) {
  const nlohmann::ordered_json json = {
      {"text", report.text},       {"prefill", report.prefill},         {"denoise", report.denoise},
      {"refresh", report.refresh}, {"exchange", report.exchange},       {"decode", report.decode},
      {"write", writing},          {"first_frame", report.first_frame}, {"total", report.total},
      {"passes", report.passes}};
  return json.dump();
}

}  // namespace

RolloutSettings rollout_settings(const Config& config) {
  const RolloutConfig& from = config.rollout;
  RolloutSettings settings;
  settings.chunk_frames = from.chunk_frames;
  settings.denoising_steps = from.denoising_steps;
  settings.warp = from.warp_denoising_step;
  settings.shift = from.shift;
  settings.context_noise = from.context_noise;
  settings.window_frames = from.window_frames;
  settings.sink_frames = from.sink_frames;
  settings.independent_first_frame = from.independent_first_frame;
  settings.decode = config.encoding.save;
  return settings;
}

GroupRunner::GroupRunner(const Config& config, const RunDirectory& directory,
                         const Provenance& provenance, Model& model, Communicator& group,
                         QueueClient queue)
    : config_(config),
      directory_(directory),
      provenance_(provenance),
      model_(model),
      group_(group),
      queue_(queue),
      rollout_(model, group, rollout_settings(config)) {}

void GroupRunner::run() {
  SampleJob job;
  SampleResult result;
  bool first = true;
  while (receive(job, first ? nullptr : &result)) {
    first = false;
    result = make(job);
  }
}

bool GroupRunner::receive(SampleJob& job, const SampleResult* last) {
  const auto start = Clock::now();
  std::string message;
  if (group_.rank() == 0) {
    if (const auto next = queue_.next(last)) {
      seconds_["wait"] += seconds_since(start);
      job = sample_job_from(*next);
      const auto encoding = Clock::now();
      prepare_initial_video(job);
      seconds_["prefill"] += seconds_since(encoding);
      message = to_message(job);
    }
    group_.broadcast(message, 0);
  } else {
    message = group_.broadcast(message, 0);
    seconds_["wait"] += seconds_since(start);
    if (!message.empty()) job = sample_job_from(message);
  }
  return !message.empty();
}

void GroupRunner::prepare_initial_video(SampleJob& job) {
  initial_latents_ = Tensor();
  if (job.video.empty()) return;
  try {
    const VaeConfig& vae = model_.vae_config();
    const RolloutSettings settings = rollout_settings(config_);
    const std::int64_t total = latent_frames(static_cast<int>(job.frames));
    const VideoFrames given = read_frames(job.video, job.frames);
    job.initial_frames = usable_latent_frames(given.count, total, vae, settings);
    const auto spans = chunk_spans(total, settings);
    require(job.initial_frames > 0, ExitCode::input,
            "'{}' has {} frames: too few for a video of {} frames to go on from (the given part "
            "must fill whole "
            "chunks: {} frames or more here); give a longer clip or set "
            "rollout.independent_first_frame",
            job.video, given.count, job.frames, vae.frames(spans.front().frames));
    const std::int64_t chunks_left = std::count_if(
        spans.begin(), spans.end(),
        [&](const ChunkSpan& span) { return span.first_frame >= job.initial_frames; });
    require(
        job.prompts.back().first_chunk < chunks_left, ExitCode::input,
        "'{}' leaves {} chunks to generate, so the prompt from chunk {} on would never be seen; "
        "make the video longer or take that prompt away",
        job.video, chunks_left, job.prompts.back().first_chunk);
    VideoFrames frames = given.height == config_.video.height && given.width == config_.video.width
                             ? given
                             : resize_frames(given, config_.video.height, config_.video.width);
    model_.end_decoding();  // both at once may not fit
    initial_latents_ = model_.vae_encoder().encode(
        view_of(frames.rgb.data(), ElementType::u8,
                {vae.frames(job.initial_frames), frames.height, frames.width, 3}));
  } catch (const Error& error) {
    job.problem = error.what();
    job.problem_code = static_cast<int>(error.code());
  } catch (const std::exception& error) {
    job.problem = fmt::format("'{}' cannot be used ({})", job.video, error.what());
    job.problem_code = static_cast<int>(ExitCode::device);
  }
}

SampleResult GroupRunner::make(const SampleJob& job) {
  const auto start = Clock::now();
  SampleResult result;
  result.number = job.number;
  if (!job.problem.empty()) {
    result.code = static_cast<ExitCode>(job.problem_code);
    result.problem = job.problem;
    return result;
  }
  const VaeConfig& vae = model_.vae_config();
  VideoRequest request;
  request.seed = job.seed;
  request.sample = job.noise_sample;
  request.latent_frames = latent_frames(static_cast<int>(job.frames));
  request.latent_height = config_.video.height / vae.spatial_stride();
  request.latent_width = config_.video.width / vae.spatial_stride();
  request.initial_frames = job.initial_frames;
  request.initial_latents = initial_latents_.empty() ? nullptr : initial_latents_.f32();
  // Prompt ranges count from the first chunk that is generated.
  std::int64_t given_chunks = 0;
  for (const ChunkSpan& span : chunk_spans(request.latent_frames, rollout_settings(config_))) {
    if (span.first_frame < job.initial_frames) ++given_chunks;
  }
  for (const auto& range : job.prompts) {
    request.prompts.push_back(
        {range.first_chunk == 0 ? 0 : range.first_chunk + given_chunks, range.text});
  }
  try {
    const std::array<std::int64_t, 4> shape{vae.z_dim, request.latent_frames, request.latent_height,
                                            request.latent_width};
    const auto writer = start_writer(job, shape);
    const VideoReport report = rollout_.make(request, writer.get());
    if (writer) publish(*writer, report, result);
    count(report, writer ? writer->seconds() : 0.0);
    result.done = true;
  } catch (const VideoFailed& error) {
    result.code = error.code();
    result.problem = error.what();
  }
  result.seconds = seconds_since(start);
  return result;
}

std::unique_ptr<SampleWriter> GroupRunner::start_writer(
    const SampleJob& job, const std::array<std::int64_t, 4>& latent_shape) {
  std::unique_ptr<SampleWriter> writer;
  ExitCode code = ExitCode::output;
  std::string problem;
  if (group_.rank() == 0) {
    try {
      writer = std::make_unique<SampleWriter>(
          config_, directory_, job, provenance_, latent_shape,
          [this](std::int64_t frames) { queue_.progressed(frames); });
    } catch (const Error& error) {
      code = error.code();
      problem = error.what();
    } catch (const std::exception& error) {
      code = ExitCode::device;
      problem = fmt::format("the sample cannot be started ({})", error.what());
    }
  }
  if (!group_.all_agree(problem.empty())) throw VideoFailed(code, problem);
  return writer;
}

void GroupRunner::publish(SampleWriter& writer, const VideoReport& report, SampleResult& result) {
  for (const auto& prompt : report.truncated) {
    result.notice +=
        (result.notice.empty() ? "" : "; ") +
        fmt::format(
            "the prompt has more tokens than the text encoder sees ({}), its end is ignored: "
            "\"{:.60}…\"",
            model_.transformer_config().text_length, prompt);
  }
  // The other ranks already wait for the next sample: a failure here concerns this one alone.
  try {
    writer.publish(timing_json(report, writer.seconds()));
  } catch (const Error& error) {
    throw VideoFailed(error.code(), error.what());
  } catch (const std::exception& error) {
    throw VideoFailed(ExitCode::output,
                      fmt::format("the files cannot be written ({})", error.what()));
  }
  result.details = timing_json(report, writer.seconds());
  result.frames = writer.frame_count();
}

void GroupRunner::count(const VideoReport& report, double writing) {
  ++videos_;
  seconds_["text"] += report.text;
  seconds_["prefill"] += report.prefill;
  seconds_["denoise"] += report.denoise;
  seconds_["refresh"] += report.refresh;
  seconds_["exchange"] += report.exchange;
  seconds_["group_wait"] += report.group_wait;
  if (group_.rank() == 0) {
    seconds_["decode"] += report.decode;
    seconds_["write"] += writing;
  }
  kv_cache_ = std::max(kv_cache_, report.kv_bytes);
  context_ = std::max(context_, report.context_bytes);
  chunk_buffers_ = std::max(chunk_buffers_, report.chunk_bytes);
  vae_caches_ = std::max(vae_caches_, report.vae_cache_bytes);
}

void GroupRunner::add_to(RankReport& report) const {
  report.videos = videos_;
  report.prompts_encoded = model_.prompts_encoded();
  for (const auto& [stage, seconds] : seconds_) report.seconds[stage] += seconds;
  report.exchanged_bytes = group_.exchanged_bytes();
  report.weights = static_cast<std::int64_t>(model_.weight_bytes());
  report.kv_cache = kv_cache_;
  report.context = context_;
  report.chunk_buffers = chunk_buffers_;
  report.vae_caches = vae_caches_;
}

}  // namespace causeway
