// From a finished chunk's latents to frames in the hands of the sink.
#pragma once

#include <cstdint>
#include <vector>

#include "core/beside.hpp"
#include "core/clock.hpp"
#include "model/model.hpp"
#include "rollout/rollout.hpp"

namespace causeway {

/// Decodes the chunks of one video, one after another. Where it may do so beside other work, and
/// the decoder has a queue of a device to itself (`Model::decoder_ops`), a thread does it beside
/// whatever the caller does next, and another one hands the frames out; else `push` does both
/// before it returns. What goes wrong there is thrown by a later call. The sink is used until the
/// destructor has returned, no longer.
class FrameStage {
 public:
  /// `start` is when the video was begun. `planes` is memory that is kept from one video to the
  /// next. All three objects must outlive the stage.
  FrameStage(Model& model, VideoSink& sink, Tensor& planes, Clock::time_point start, bool beside);
  ~FrameStage() { abandon(); }
  FrameStage(const FrameStage&) = delete;
  FrameStage& operator=(const FrameStage&) = delete;

  /// Makes room for latents of this size.
  void begin(std::int64_t latent_height, std::int64_t latent_width);
  /// The next chunk [channels, frames, h, w], f32, of the host's memory. Waits for the one before.
  void push(Tensor chunk);
  /// Returns when the sink has all frames.
  void finish();
  /// Waits for what is under way and forgets it.
  void abandon() noexcept;

  // Of what `finish` has waited for:

  /// Seconds of decoding of each chunk, without what the sink took.
  const std::vector<double>& seconds() const { return seconds_; }
  /// From the start until the first chunk was decoded and all but its last frames handed out.
  double first_frame() const { return first_frame_; }

 private:
  void decode(const Tensor& chunk);
  void hand_out(Tensor frames);

  Model* model_;
  const Ops* ops_;
  VideoSink* sink_;
  Clock::time_point start_;
  bool beside_;
  Tensor* planes_;  // [frames, height·width·3/2] u8, on the device: the frames of one latent
  std::vector<double> seconds_;
  double first_frame_ = 0;
  Beside handing_;  // outlives what gives it work
  Beside decoding_;
};

}  // namespace causeway
