// The encoder of the VAE: every frame is pushed as far as the temporal down-samplers let it.
#include "model/vae_encoder.hpp"

#include "model/vae_blocks.hpp"
#include "model/vae_resamplers.hpp"

namespace causeway {
namespace {

/// One entry of `encoder.downsamples`: one of the two.
struct Stage {
  std::optional<ResidualBlock> residual;
  std::optional<Downsampler> downsampler;
};

}  // namespace

class VaeEncoder::Network {
 public:
  Network(const TensorStore& store, const VaeConfig& config, const Ops& ops, ElementType compute);
  Tensor encode(ConstView frames);
  const VaeConfig& config() const { return config_; }
  std::size_t weight_bytes() const;

 private:
  void begin(std::int64_t height, std::int64_t width);
  void end();
  void push(ConstView frame, View latents);

  VaeConfig config_;
  VaeRuntime runtime_;
  Tensor scale_, shift_;  // [z_dim]; normalised = (z + shift)·scale
  CausalConvolution conv_in_;
  std::vector<Stage> stages_;
  VaeMiddle middle_;
  VaeHead head_;
  LinearWeight quant_;  // its first half only: the means; the log-variances are not used
  std::int64_t latents_ready_ = 0;
};

VaeEncoder::Network::Network(const TensorStore& store, const VaeConfig& config, const Ops& ops,
                             ElementType compute)
    : config_(config),
      runtime_(ops, compute),
      conv_in_(runtime_, store, "encoder.conv1", 3, config.base_dim, 3),
      middle_(runtime_, store, "encoder.middle", config.base_dim * config.dim_mult.back()),
      head_(runtime_, store, "encoder.head", config.base_dim * config.dim_mult.back(),
            2 * config.z_dim),
      quant_(load_pointwise(runtime_, store, "conv1", {2 * config.z_dim, 2 * config.z_dim, 1, 1, 1},
                            config.z_dim, ElementType::f32)) {
  const auto blocks = vae_encoder_blocks(config);
  stages_.resize(blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::string name = fmt::format("encoder.downsamples.{}", i);
    if (blocks[i].kind == VaeBlock::Kind::residual) {
      stages_[i].residual.emplace(runtime_, store, name, blocks[i].in, blocks[i].out);
    } else {
      stages_[i].downsampler.emplace(runtime_, store, name, blocks[i]);
    }
  }
  Tensor scale(ElementType::f32, {config.z_dim}), shift(ElementType::f32, {config.z_dim});
  for (std::size_t c = 0; c < config.mean.size(); ++c) {
    shift.f32()[c] = -config.mean[c];
    scale.f32()[c] = 1.0f / config.std[c];
  }
  scale_ = ops.on_device(std::move(scale));
  shift_ = ops.on_device(std::move(shift));
}

void VaeEncoder::Network::begin(std::int64_t height, std::int64_t width) {
  conv_in_.begin(height, width);
  for (Stage& stage : stages_) {
    if (stage.residual) {
      stage.residual->begin(height, width);
    } else {
      stage.downsampler->begin(height, width);
      height /= 2;
      width /= 2;
    }
  }
  middle_.begin(height, width);
  head_.begin(height, width);
  latents_ready_ = 0;
}

void VaeEncoder::Network::end() {
  conv_in_.end();
  for (Stage& stage : stages_) {
    if (stage.residual) stage.residual->end();
    if (stage.downsampler) stage.downsampler->end();
  }
  middle_.end();
  head_.end();
  runtime_.scratch.release();
}

Tensor VaeEncoder::Network::encode(ConstView frames) {
  const std::int64_t stride = config_.spatial_stride();
  expects(frames.rank == 4 && frames.shape[3] == 3 && frames.is_contiguous() &&
              (frames.type == ElementType::u8 || frames.type == ElementType::f32),
          "frames are u8 or f32 [n, H, W, 3]");
  expects(frames.shape[0] >= 1 && (frames.shape[0] - 1) % config_.temporal_stride() == 0,
          "the first frame is followed by whole groups of frames");
  expects(frames.shape[1] > 0 && frames.shape[2] > 0 && frames.shape[1] % stride == 0 &&
              frames.shape[2] % stride == 0,
          "the frame size is a multiple of the VAE's stride");
  const std::int64_t height = frames.shape[1] / stride, width = frames.shape[2] / stride;
  const std::int64_t count = 1 + (frames.shape[0] - 1) / config_.temporal_stride();
  Tensor means = runtime_.ops.tensor(ElementType::f32, {count, height, width, config_.z_dim});
  begin(frames.shape[1], frames.shape[2]);
  for (std::int64_t i = 0; i < frames.shape[0]; ++i) {
    ConstView frame = frames;
    frame.shape[0] = 1;
    frame.data = static_cast<const char*>(frames.data) +
                 static_cast<std::size_t>(i * frames.stride[0]) * bytes_of(frames.type);
    push(runtime_.ops.uploaded(frame).view(), means.view());
  }
  expects(latents_ready_ == count, "every group of frames gives one latent");
  end();
  Tensor latents = runtime_.ops.tensor(ElementType::f32, {config_.z_dim, count, height, width});
  runtime_.ops.to_channels_first(means.view(), scale_.f32(), shift_.f32(), latents.view());
  return std::move(latents).moved_to(host_memory());
}

/// One frame as far as it gets; where it completes a latent, its row of `latents` is written.
void VaeEncoder::Network::push(ConstView frame, View latents) {
  const Ops& ops = runtime_.ops;
  VaeScratch& scratch = runtime_.scratch;
  const View input = conv_in_.next_frame();
  if (frame.type == ElementType::u8) {
    ops.rgb8_to_frames(frame, input);
  } else {
    ops.convert(frame, input);
  }
  std::int64_t height = frame.shape[1], width = frame.shape[2];
  const View first =
      scratch.take(VaeScratch::conv_output, runtime_.compute, {1, height, width, config_.base_dim});
  conv_in_.run(first);
  std::size_t slot = VaeScratch::first_free;
  View x = scratch.take(slot, ElementType::f32, {1, height, width, config_.base_dim});
  ops.convert(first, x);
  const auto other = [&](std::int64_t channels) {  // the stream alternates between two places
    slot = 2 * VaeScratch::first_free + 1 - slot;
    return scratch.take(slot, ElementType::f32, {1, height, width, channels});
  };
  for (Stage& stage : stages_) {
    View y = x;
    if (stage.residual) {
      if (!stage.residual->in_place()) y = other(stage.residual->out_channels());
      stage.residual->run(x, y);
    } else {
      height /= 2;
      width /= 2;
      y = other(x.shape[3]);
      if (!stage.downsampler->run(x, y)) return;
    }
    x = y;
  }
  middle_.run(x);
  const View moments = scratch.take(VaeScratch::conv_output, runtime_.compute,
                                    {1, height, width, 2 * config_.z_dim});
  head_.run(x, moments);
  const View exact = other(2 * config_.z_dim);
  ops.convert(moments, exact);
  ops.linear(rows_of(exact), quant_, rows_of(frames_of(latents, latents_ready_, 1)));
  ++latents_ready_;
}

std::size_t VaeEncoder::Network::weight_bytes() const {
  std::size_t sum =
      conv_in_.weight_bytes() + middle_.weight_bytes() + head_.weight_bytes() + quant_.bytes();
  for (const Stage& stage : stages_) {
    sum += stage.residual ? stage.residual->weight_bytes() : stage.downsampler->weight_bytes();
  }
  return sum;
}

VaeEncoder::VaeEncoder(const TensorStore& store, const VaeConfig& config, const Ops& ops,
                       ElementType compute) {
  check_vae_tensors(store, config);
  require(has_vae_encoder(store), ExitCode::input,
          "{} has no VAE encoder (it was published for decoding only); videos cannot be extended "
          "with it",
          store.description());
  network_ = std::make_unique<Network>(store, config, ops, compute);
}
VaeEncoder::~VaeEncoder() = default;
bool has_vae_encoder(const TensorStore& store) {
  return store.find("encoder.conv1.weight") != nullptr;
}

VaeEncoder::VaeEncoder(VaeEncoder&&) noexcept = default;
VaeEncoder& VaeEncoder::operator=(VaeEncoder&&) noexcept = default;

const VaeConfig& VaeEncoder::config() const { return network_->config(); }
Tensor VaeEncoder::encode(ConstView frames) { return network_->encode(frames); }
std::size_t VaeEncoder::weight_bytes() const { return network_->weight_bytes(); }

}  // namespace causeway
