// Self-Forcing generation: every chunk is denoised against the cache of the chunks before it.
#include "rollout/rollout.hpp"

#include <algorithm>
#include <cstring>
#include <exception>

#include "core/clock.hpp"
#include "rollout/frame_stage.hpp"

namespace causeway {

/// What one call of `make` works on.
struct Rollout::Video {
  const VideoRequest& request;
  VideoSink* sink;
  VideoReport report;
  RankGrid grid;
  std::int64_t rows, columns;
  const TextContext* context = nullptr;
  Clock::time_point start = Clock::now();
  std::optional<FrameStage> frames = {};  // on rank 0, if the video is decoded

  PatchGeometry geometry(const ChunkSpan& span, const TransformerConfig& config) const {
    return {config.in_channels,   span.frames,         request.latent_height,
            request.latent_width, config.patch_height, config.patch_width};
  }
};

std::vector<ChunkSpan> chunk_spans(std::int64_t latent_frames, const RolloutSettings& settings) {
  std::vector<ChunkSpan> spans;
  std::int64_t next = 0;
  if (settings.independent_first_frame && latent_frames > 0) {
    spans.push_back({0, 1});
    next = 1;
  }
  require((latent_frames - next) % settings.chunk_frames == 0 && latent_frames > 0, ExitCode::usage,
          "{} latent frames do not fall into chunks of {}{}", latent_frames, settings.chunk_frames,
          settings.independent_first_frame ? " after an independent first frame" : "");
  for (; next < latent_frames; next += settings.chunk_frames)
    spans.push_back({next, settings.chunk_frames});
  return spans;
}

Rollout::Rollout(Model& model, Communicator& group, const RolloutSettings& settings)
    : model_(&model),
      group_(&group),
      settings_(settings),
      steps_(denoising_schedule(settings.denoising_steps, settings.warp, settings.shift)) {
  expects(!steps_.empty() && settings.chunk_frames > 0, "a rollout has steps and chunks");
}

std::int64_t Rollout::cache_frames(std::int64_t latent_frames) const {
  return settings_.window_frames < 0 ? latent_frames
                                     : std::min(settings_.window_frames, latent_frames);
}

VideoReport Rollout::make(const VideoRequest& request, VideoSink* sink) {
  const TransformerConfig& config = model_->transformer().config();
  const double exchange_before = model_->transformer().exchange_seconds();
  const std::int64_t bytes_before = group_->exchanged_bytes();
  Video video{request,
              sink,
              {},
              RankGrid(group_->size(), group_->rank(), config.heads),
              request.latent_height / config.patch_height,
              request.latent_width / config.patch_width};
  const auto spans = chunk_spans(request.latent_frames, settings_);
  expects(!request.prompts.empty() && request.prompts.front().first_chunk == 0,
          "a prompt for chunk 0");
  expects(group_->rank() != 0 || sink != nullptr, "rank 0 has somewhere to put the video");
  prepare(video, spans);
  std::size_t stretch = 0;
  for (std::size_t index = 0; index < spans.size(); ++index) {
    const ChunkSpan& span = spans[index];
    while (stretch < request.prompts.size() &&
           request.prompts[stretch].first_chunk <= static_cast<std::int64_t>(index)) {
      video.context = &context_for(request.prompts[stretch++].text, video);
    }
    Workspace& work = workspaces_.at(span.frames);
    work.pass.move_to(model_->ops(), span.first_frame);
    if (span.first_frame < request.initial_frames) {
      prefill(video, span, work);
    } else {
      denoise(video, span, static_cast<std::int64_t>(index), work);
    }
  }
  finish_frames(video);
  made_.insert(shape_of(request));
  report_bytes(video.report);
  video.report.exchange = model_->transformer().exchange_seconds() - exchange_before;
  video.report.exchanged_bytes = group_->exchanged_bytes() - bytes_before;
  video.report.total = seconds_since(video.start);
  return video.report;
}

Rollout::VideoShape Rollout::shape_of(const VideoRequest& request) {
  return {request.latent_frames, request.latent_height, request.latent_width,
          request.initial_frames};
}

void Rollout::prepare(Video& video, const std::vector<ChunkSpan>& spans) {
  const VideoRequest& request = video.request;
  // A rank that has no room must not leave the others.
  together(video, [&] {
    for (const DenoisingStep& step : steps_) model_->transformer().prepare(step.timestep);
    model_->transformer().prepare(settings_.context_noise);
    if (request.initial_frames > 0) model_->transformer().prepare(0.0);
    prepare_cache(request, video.grid);
    prepare_workspaces(video, spans);
    if (group_->rank() == 0 && settings_.decode) {
      video.frames.emplace(*model_, *video.sink, planes_, video.start,
                           made_.contains(shape_of(request)));
      video.frames->begin(request.latent_height, request.latent_width);
    }
  });
  together(video, [&] {
    for (const auto& [frames, work] : workspaces_) {
      group_->make_room(work.pass.layout().query_key_value());
      group_->make_room(work.pass.layout().output());
    }
  });
}

void Rollout::report_bytes(VideoReport& report) const {
  for (const auto& [frames, work] : workspaces_) {
    report.chunk_bytes +=
        static_cast<std::int64_t>(work.pass.bytes() + work.x.bytes() + work.flow.bytes());
  }
  report.kv_bytes = static_cast<std::int64_t>(cache_->bytes());
  for (const KeptContext& kept : contexts_) {
    report.context_bytes += static_cast<std::int64_t>(kept.context.bytes());
  }
}

void Rollout::prepare_cache(const VideoRequest& request, const RankGrid& grid) {
  const TransformerConfig& config = model_->transformer().config();
  const std::int64_t frame_tokens =
      request.latent_height / config.patch_height * (request.latent_width / config.patch_width);
  const std::int64_t tokens = cache_frames(request.latent_frames) * frame_tokens;
  // A video that fits its window needs no sink: nothing is ever forgotten.
  const bool rolls =
      settings_.window_frames >= 0 && settings_.window_frames < request.latent_frames;
  const std::int64_t sink = rolls ? settings_.sink_frames * frame_tokens : 0;
  if (cache_ && cache_tokens_ == tokens && cache_sink_ == sink) {
    cache_->clear(model_->ops());  // whatever the last video left, were it not-a-number
    return;
  }
  cache_.reset();  // before the new one is allocated: both at once may not fit
  cache_.emplace(model_->transformer().make_cache(tokens, sink, grid));
  cache_tokens_ = tokens;
  cache_sink_ = sink;
}

void Rollout::prepare_workspaces(const Video& video, const std::vector<ChunkSpan>& spans) {
  const TransformerConfig& config = model_->transformer().config();
  const Ops& ops = model_->ops();
  const auto wanted = [&](std::int64_t frames) {
    return std::any_of(spans.begin(), spans.end(),
                       [&](const ChunkSpan& span) { return span.frames == frames; });
  };
  if (rows_ != video.rows || columns_ != video.columns) workspaces_.clear();
  std::erase_if(workspaces_, [&](const auto& entry) { return !wanted(entry.first); });
  rows_ = video.rows;
  columns_ = video.columns;
  for (const ChunkSpan& span : spans) {
    if (workspaces_.contains(span.frames)) continue;
    ChunkPass pass(ops, config, {span.first_frame, span.frames, video.rows, video.columns},
                   video.grid, model_->transformer().compute());
    const std::int64_t own = pass.own_tokens();
    workspaces_.emplace(
        span.frames,
        Workspace{std::move(pass), ops.tensor(ElementType::f32, {own, config.patch_inputs()}),
                  ops.tensor(ElementType::f32, {own, config.patch_outputs()})});
  }
}

const TextContext& Rollout::context_for(const std::string& prompt, Video& video) {
  const auto start = Clock::now();
  auto found = std::find_if(contexts_.begin(), contexts_.end(),
                            [&](const KeptContext& kept) { return kept.prompt == prompt; });
  if (found != contexts_.end()) {
    contexts_.splice(contexts_.begin(), contexts_, found);
  } else {
    const EncodedPrompt* encoded = nullptr;  // by rank 0; the others receive it
    together(video, [&] {
      // What is tried for a new prompt runs alone; to give its memory back would wait for the
      // decoder.
      if (video.frames) video.frames->finish();
      if (group_->rank() == 0) encoded = &model_->encode_prompt(prompt);
    });
    std::int64_t rows = encoded == nullptr ? 0 : encoded->context.shape()[0];
    group_->broadcast(&rows, sizeof rows, 0);
    Tensor context(ElementType::f32, {rows, model_->transformer().config().text_dim});
    if (encoded != nullptr) std::memcpy(context.data(), encoded->context.data(), context.bytes());
    group_->broadcast(context.data(), context.bytes(), 0);
    TextContext made;
    together(video, [&] {
      if (contexts_.size() == kept_contexts) contexts_.pop_back();
      made = model_->transformer().make_text_context(context.view());
      model_->ops().memory().wait();
    });
    // Only now that all have it: every rank of the group must remember the same prompts.
    contexts_.push_front({prompt, std::move(made), encoded != nullptr && encoded->truncated});
  }
  if (contexts_.front().truncated) video.report.truncated.push_back(prompt);
  video.report.text += seconds_since(start);
  return contexts_.front().context;
}

void Rollout::settle() {
  group_->finish();
  model_->ops().memory().wait();
}

template <class Work>
void Rollout::together(Video& video, Work&& work) {
  std::exception_ptr problem;
  try {
    work();
  } catch (...) {
    problem = std::current_exception();
  }
  agree_or_abandon(video, problem);
}

void Rollout::agree_or_abandon(Video& video, const std::exception_ptr& problem) {
  // A device that is lost fails this, too, and so ends the run: every later sample would fail.
  if (problem) model_->ops().memory().wait();
  if (group_->all_agree(problem == nullptr)) return;
  if (video.frames) {
    video.frames.reset();
    planes_ = Tensor();
    model_->end_decoding();
  }
  made_.clear();  // their memory has been given back
  auto code = ExitCode::some_samples_failed;
  std::string reason;
  try {
    if (problem) std::rethrow_exception(problem);
  } catch (const Error& error) {
    code = error.code();
    reason = error.what();
  } catch (const std::exception& error) {
    code = ExitCode::internal;
    reason = error.what();
  }
  // Rank 0 speaks for the group, whoever had the problem.
  const auto reasons = group_->gather(reason, 0);
  const auto agreed = static_cast<ExitCode>(group_->max(static_cast<std::int64_t>(code)));
  for (std::size_t r = 0; r < reasons.size(); ++r) {
    if (reasons[r].empty()) continue;
    throw VideoFailed(agreed,
                      (r == 0 ? "" : fmt::format("rank {} of the job group: ", r)) + reasons[r]);
  }
  throw VideoFailed(agreed, "another rank of the job group gave this video up");
}

void Rollout::prefill(Video& video, const ChunkSpan& span, Workspace& work) {
  const auto start = Clock::now();
  Transformer& transformer = model_->transformer();
  const TransformerConfig& config = transformer.config();
  const VideoRequest& request = video.request;
  const PatchGeometry geometry = video.geometry(span, config);
  const std::int64_t plane = request.latent_height * request.latent_width;
  Tensor chunk(ElementType::f32,
               {config.in_channels, span.frames, request.latent_height, request.latent_width});
  if (group_->rank() == 0) {
    for (std::int64_t c = 0; c < config.in_channels; ++c) {
      const float* from =
          request.initial_latents + (c * request.initial_frames + span.first_frame) * plane;
      std::copy_n(from, span.frames * plane, chunk.f32() + c * span.frames * plane);
    }
  }
  group_->broadcast(chunk.data(), chunk.bytes(), 0);

  const TokenRange own = work.pass.layout().own();
  Tensor tokens(ElementType::f32, {own.count, config.patch_inputs()});
  model_->ops().on_host().patchify({geometry, own.first, own.count, chunk.f32(), tokens.f32()});
  model_->ops().memory().copy_in(work.x.data(), tokens.data(), tokens.bytes());
  transformer.forward(work.pass, 0.0, *video.context, *cache_, *group_, work.x.f32(), nullptr);
  ++video.report.passes;
  settle();
  video.report.prefill += seconds_since(start);
  deliver(video, span, work);
}

void Rollout::denoise(Video& video, const ChunkSpan& span, std::int64_t chunk_index,
                      Workspace& work) {
  auto start = Clock::now();
  Transformer& transformer = model_->transformer();
  const double exchange_before = transformer.exchange_seconds();
  ChunkReport chunk;
  chunk.span = span;
  const std::int64_t last_token = work.pass.place().first_token() + work.pass.place().tokens();
  chunk.keys = cache_->slots().visible(last_token);
  const Ops& ops = model_->ops();
  const TransformerConfig& config = transformer.config();
  const PatchGeometry geometry = video.geometry(span, config);
  const TokenRange own = work.pass.layout().own();
  Tensor &x = work.x, &flow = work.flow;
  NoiseDraw draw{video.request.seed, video.request.sample, NoisePurpose::initial,
                 static_cast<std::uint32_t>(chunk_index), 0};
  ops.noise(draw, geometry, own.first, own.count, x.f32());
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    transformer.forward(work.pass, steps_[i].timestep, *video.context, *cache_, *group_, x.f32(),
                        flow.f32());
    ++video.report.passes;
    ops.flow_to_x0({geometry, own.count, steps_[i].sigma, x.f32(), flow.f32(), x.f32()});
    if (i + 1 == steps_.size()) break;
    draw.purpose = NoisePurpose::renoise;
    draw.step = static_cast<std::uint32_t>(i + 1);
    ops.noise(draw, geometry, own.first, own.count, flow.f32());
    ops.renoise({x.size(), steps_[i + 1].sigma, x.f32(), flow.f32(), x.f32()});
  }
  settle();
  chunk.denoise = seconds_since(start);
  video.report.denoise += chunk.denoise;
  // The frames come before the refresh: they are what somebody waits for.
  deliver(video, span, work);
  const bool more = span.first_frame + span.frames < video.request.latent_frames;
  if (more) {
    start = Clock::now();
    transformer.forward(work.pass, settings_.context_noise, *video.context, *cache_, *group_,
                        x.f32(), nullptr);
    ++video.report.passes;
    settle();
    chunk.refresh = seconds_since(start);
    video.report.refresh += chunk.refresh;
  }
  chunk.exchange = transformer.exchange_seconds() - exchange_before;
  video.report.chunks.push_back(chunk);
}

void Rollout::deliver(Video& video, const ChunkSpan& span, const Workspace& work) {
  const TransformerConfig& config = model_->transformer().config();
  const PatchGeometry geometry = video.geometry(span, config);
  const std::int64_t all_tokens = work.pass.place().tokens();
  const bool root = group_->rank() == 0;
  std::vector<std::int64_t> bytes;
  for (int r = 0; r < group_->size(); ++r) {
    bytes.push_back(work.pass.layout().part(r).count * config.patch_inputs() *
                    static_cast<std::int64_t>(sizeof(float)));
  }
  Tensor gathered(ElementType::f32, {root ? all_tokens : 0, config.patch_inputs()});
  group_->gather(model_->ops().downloaded(work.x.view()).data(), gathered.data(), bytes, 0);
  const auto waiting = Clock::now();
  together(video, [&] {
    if (!root) return;
    Tensor chunk(ElementType::f32, {config.in_channels, span.frames, video.request.latent_height,
                                    video.request.latent_width});
    model_->ops().on_host().unpatchify({geometry, 0, all_tokens, gathered.f32(), chunk.f32()});
    video.sink->latents(span, chunk.view());
    if (video.frames) {
      video.frames->push(std::move(chunk));
    } else if (video.report.first_frame == 0) {
      video.report.first_frame = seconds_since(video.start);
    }
  });
  if (!root) video.report.group_wait += seconds_since(waiting);
}

void Rollout::finish_frames(Video& video) {
  if (!settings_.decode) return;
  const auto waiting = Clock::now();
  together(video, [&] {
    if (video.frames) video.frames->finish();
  });
  if (group_->rank() != 0) video.report.group_wait += seconds_since(waiting);
  if (!video.frames) return;
  VideoReport& report = video.report;
  const std::vector<double>& seconds = video.frames->seconds();
  // What was given comes first and has no chunk in the report.
  const std::size_t given = seconds.size() - report.chunks.size();
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    report.decode += seconds[i];
    if (i >= given) report.chunks[i - given].decode = seconds[i];
  }
  report.first_frame = video.frames->first_frame();
  report.vae_cache_bytes = static_cast<std::int64_t>(model_->vae_decoder().cache_bytes());
  // A device would have to wait to give it back.
  if (model_->ops().memory().is_host()) model_->end_decoding();
}

}  // namespace causeway
