// Decoding beside the passes that come next, where a device can do both.
#include "rollout/frame_stage.hpp"

#include <memory>
#include <utility>

namespace causeway {

FrameStage::FrameStage(Model& model, VideoSink& sink, Tensor& planes, Clock::time_point start,
                       bool beside)
    : model_(&model),
      ops_(&model.decoder_ops()),
      sink_(&sink),
      start_(start),
      beside_(beside && ops_->memory().stream() != nullptr),
      planes_(&planes) {}

void FrameStage::begin(std::int64_t latent_height, std::int64_t latent_width) {
  const VaeConfig& vae = model_->vae_config();
  model_->vae_decoder().begin(latent_height, latent_width);
  const std::int64_t pixels =
      latent_height * latent_width * vae.spatial_stride() * vae.spatial_stride();
  const std::vector<std::int64_t> shape{vae.temporal_stride(), pixels / 2 * 3};
  if (planes_->shape() != shape) *planes_ = ops_->tensor(ElementType::u8, shape);
}

void FrameStage::push(Tensor chunk) {
  if (!beside_) return decode(chunk);
  // A task is copyable, a tensor is not.
  auto shared = std::make_shared<const Tensor>(std::move(chunk));
  decoding_.run([this, shared] {
    ops_->memory().enter_thread();
    decode(*shared);
  });
}

void FrameStage::finish() {
  decoding_.wait();
  handing_.wait();
}

void FrameStage::abandon() noexcept {
  decoding_.abandon();
  handing_.abandon();
}

void FrameStage::decode(const Tensor& chunk) {
  auto since = Clock::now();
  double seconds = 0;
  model_->vae_decoder().decode(chunk.view(), [&](ConstView frames) {
    const View planes = planes_->rows(0, frames.shape[0]);
    ops_->frames_to_yuv420p(frames, planes);
    Tensor finished = ops_->downloaded(planes);
    seconds += seconds_since(since);
    hand_out(std::move(finished));
    since = Clock::now();
  });
  seconds_.push_back(seconds + seconds_since(since));
  if (seconds_.size() == 1) first_frame_ = seconds_since(start_);
}

void FrameStage::hand_out(Tensor frames) {
  if (!beside_) return sink_->frames(std::as_const(frames).view());
  auto shared = std::make_shared<const Tensor>(std::move(frames));
  handing_.run([this, shared] { sink_->frames(shared->view()); });
}

}  // namespace causeway
