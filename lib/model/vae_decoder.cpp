// The decoder of the VAE: each frame goes through all blocks before the next one.
#include "model/vae_decoder.hpp"

#include "model/vae_blocks.hpp"
#include "model/vae_resamplers.hpp"

namespace causeway {
namespace {

/// One entry of `decoder.upsamples`: one of the two.
struct Stage {
  std::optional<ResidualBlock> residual;
  std::optional<Upsampler> upsampler;
};

}  // namespace

class VaeDecoder::Network {
 public:
  Network(const TensorStore& store, const VaeConfig& config, const Ops& ops, ElementType compute);
  void begin(std::int64_t latent_height, std::int64_t latent_width);
  void decode(ConstView latents, const FrameSink& sink);
  void end();

  const VaeConfig& config() const { return config_; }
  ElementType compute() const { return runtime_.compute; }
  std::size_t weight_bytes() const;
  std::size_t cache_bytes() const;
  std::size_t scratch_bytes() const { return runtime_.scratch.bytes() + frames_.bytes(); }

 private:
  void decode_one(ConstView latent, const FrameSink& sink);
  void push(View x, std::size_t stage, std::size_t depth);
  void emit(View x);
  View stream(std::size_t depth, bool second, View like, std::int64_t channels, std::int64_t scale);
  /// Of the latents as they are given; after those of all depths of `stream` and `push`.
  std::size_t given_slot() const {
    return VaeScratch::first_free + 3 * (config_.temporal_downsample.size() + 1);
  }

  VaeConfig config_;
  VaeRuntime runtime_;
  Tensor scale_, shift_;     // z = normalised·scale + shift, per latent channel
  LinearWeight post_quant_;  // f32: its cost is nothing and latents keep their precision
  CausalConvolution conv_in_;
  VaeMiddle middle_;
  std::vector<Stage> stages_;
  VaeHead head_;

  std::int64_t height_ = 0, width_ = 0;  // of the latents in progress; 0 between videos
  std::int64_t latents_seen_ = 0;
  Tensor frames_;  // [temporal_stride, H, W, 3] of the compute type
  std::int64_t frames_ready_ = 0;
};

VaeDecoder::Network::Network(const TensorStore& store, const VaeConfig& config, const Ops& ops,
                             ElementType compute)
    : config_(config),
      runtime_(ops, compute),
      scale_(ops.uploaded(const_view_of(config.std.data(), ElementType::f32, {config.z_dim}))),
      shift_(ops.uploaded(const_view_of(config.mean.data(), ElementType::f32, {config.z_dim}))),
      post_quant_(load_pointwise(runtime_, store, "conv2", {config.z_dim, config.z_dim, 1, 1, 1},
                                 config.z_dim, ElementType::f32)),
      conv_in_(runtime_, store, "decoder.conv1", config.z_dim,
               config.base_dim * config.dim_mult.back(), 3),
      middle_(runtime_, store, "decoder.middle", config.base_dim * config.dim_mult.back()),
      head_(runtime_, store, "decoder.head", vae_decoder_blocks(config).back().out, 3) {
  const auto blocks = vae_decoder_blocks(config);
  stages_.resize(blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::string name = fmt::format("decoder.upsamples.{}", i);
    if (blocks[i].kind == VaeBlock::Kind::residual) {
      stages_[i].residual.emplace(runtime_, store, name, blocks[i].in, blocks[i].out);
    } else {
      stages_[i].upsampler.emplace(runtime_, store, name, blocks[i]);
    }
  }
}

void VaeDecoder::Network::begin(std::int64_t latent_height, std::int64_t latent_width) {
  expects(latent_height > 0 && latent_width > 0, "latents have positive extents");
  if (height_ != latent_height || width_ != latent_width) end();
  std::int64_t height = latent_height, width = latent_width;
  conv_in_.begin(height, width);
  middle_.begin(height, width);
  for (Stage& stage : stages_) {
    if (stage.residual) {
      stage.residual->begin(height, width);
    } else {
      stage.upsampler->begin(height, width);
      height *= 2;
      width *= 2;
    }
  }
  head_.begin(height, width);
  const std::vector<std::int64_t> shape{config_.temporal_stride(), height, width, 3};
  if (frames_.shape() != shape) frames_ = runtime_.ops.tensor(runtime_.compute, shape);
  height_ = latent_height;
  width_ = latent_width;
  latents_seen_ = 0;
}

void VaeDecoder::Network::end() {
  conv_in_.end();
  middle_.end();
  for (Stage& stage : stages_) {
    if (stage.residual) stage.residual->end();
    if (stage.upsampler) stage.upsampler->end();
  }
  head_.end();
  frames_ = Tensor();
  runtime_.scratch.release();
  height_ = width_ = 0;
}

void VaeDecoder::Network::decode(ConstView latents, const FrameSink& sink) {
  expects(height_ > 0, "a video is begun before it is decoded");
  expects(latents.rank == 4 && latents.type == ElementType::f32 &&
              latents.shape[0] == config_.z_dim && latents.shape[2] == height_ &&
              latents.shape[3] == width_ && latents.is_contiguous(),
          "latents are f32 [z_dim, n, height, width] of the size that was begun");
  const std::int64_t count = latents.shape[1];
  // In memory that stays: to give memory back is to wait for all that a device does at the time.
  const View given = runtime_.scratch.take(given_slot(), ElementType::f32,
                                           {config_.z_dim, count, height_, width_});
  const View positions = runtime_.scratch.take(given_slot() + 1, ElementType::f32,
                                               {count, height_, width_, config_.z_dim});
  runtime_.ops.memory().copy_in(given.data, latents.data,
                                static_cast<std::size_t>(latents.size()) * sizeof(float));
  runtime_.ops.to_channels_last(given, scale_.f32(), shift_.f32(), positions);
  for (std::int64_t i = 0; i < count; ++i) decode_one(frames_of(positions, i, 1), sink);
}

void VaeDecoder::Network::decode_one(ConstView latent, const FrameSink& sink) {
  const View input = conv_in_.next_frame();
  runtime_.ops.linear(rows_of(latent), post_quant_, rows_of(input));
  const std::int64_t channels = config_.base_dim * config_.dim_mult.back();
  const View result = runtime_.scratch.take(VaeScratch::conv_output, runtime_.compute,
                                            {1, height_, width_, channels});
  conv_in_.run(result);
  const View x = stream(0, false, result, channels, 1);
  runtime_.ops.convert(result, x);
  middle_.run(x);
  frames_ready_ = 0;
  push(x, 0, 0);
  expects(frames_ready_ == (latents_seen_ == 0 ? 1 : config_.temporal_stride()),
          "every latent gives its number of frames");
  ++latents_seen_;
  sink(frames_of(frames_.view(), 0, frames_ready_));
}

/// Memory of the f32 stream at one resolution; two of them, because a shortcut reads one and writes
/// one.
View VaeDecoder::Network::stream(std::size_t depth, bool second, View like, std::int64_t channels,
                                 std::int64_t scale) {
  const std::size_t slot = VaeScratch::first_free + 3 * depth + (second ? 1 : 0);
  return runtime_.scratch.take(slot, ElementType::f32,
                               {1, scale * like.shape[1], scale * like.shape[2], channels});
}

/// One frame x at the resolution of `depth` goes through stage and all that follow.
void VaeDecoder::Network::push(View x, std::size_t stage, std::size_t depth) {
  bool second = false;
  for (; stage < stages_.size() && stages_[stage].residual; ++stage) {
    ResidualBlock& block = *stages_[stage].residual;
    View y = x;
    if (!block.in_place()) {
      second = !second;
      y = stream(depth, second, x, block.out_channels(), 1);
    }
    block.run(x, y);
    x = y;
  }
  if (stage == stages_.size()) return emit(x);
  Upsampler& upsampler = *stages_[stage].upsampler;
  const std::size_t slot = VaeScratch::first_free + 3 * depth + 2;
  const View frames = upsampler.in_time(x, latents_seen_ == 0, slot);
  for (std::int64_t i = 0; i < frames.shape[0]; ++i) {
    const View y = stream(depth + 1, false, x, upsampler.out_channels(), 2);
    upsampler.in_space(frames_of(frames, i, 1), y);
    push(y, stage + 1, depth + 1);
  }
}

void VaeDecoder::Network::emit(View x) {
  head_.run(x, frames_of(frames_.view(), frames_ready_, 1));
  ++frames_ready_;
}

std::size_t VaeDecoder::Network::weight_bytes() const {
  std::size_t sum =
      post_quant_.bytes() + conv_in_.weight_bytes() + middle_.weight_bytes() + head_.weight_bytes();
  for (const Stage& stage : stages_) {
    sum += stage.residual ? stage.residual->weight_bytes() : stage.upsampler->weight_bytes();
  }
  return sum;
}

std::size_t VaeDecoder::Network::cache_bytes() const {
  std::size_t sum = conv_in_.cache_bytes() + middle_.cache_bytes() + head_.cache_bytes();
  for (const Stage& stage : stages_) {
    sum += stage.residual ? stage.residual->cache_bytes() : stage.upsampler->cache_bytes();
  }
  return sum;
}

VaeDecoder::VaeDecoder(const TensorStore& store, const VaeConfig& config, const Ops& ops,
                       ElementType compute) {
  check_vae_tensors(store, config);
  network_ = std::make_unique<Network>(store, config, ops, compute);
}
VaeDecoder::~VaeDecoder() = default;
VaeDecoder::VaeDecoder(VaeDecoder&&) noexcept = default;
VaeDecoder& VaeDecoder::operator=(VaeDecoder&&) noexcept = default;

const VaeConfig& VaeDecoder::config() const { return network_->config(); }
void VaeDecoder::begin(std::int64_t latent_height, std::int64_t latent_width) {
  network_->begin(latent_height, latent_width);
}
void VaeDecoder::decode(ConstView latents, const FrameSink& sink) {
  network_->decode(latents, sink);
}
void VaeDecoder::end() { network_->end(); }
std::size_t VaeDecoder::weight_bytes() const { return network_->weight_bytes(); }
std::size_t VaeDecoder::cache_bytes() const { return network_->cache_bytes(); }
std::size_t VaeDecoder::scratch_bytes() const { return network_->scratch_bytes(); }
std::size_t VaeDecoder::cache_bytes(std::int64_t latent_height, std::int64_t latent_width) const {
  return static_cast<std::size_t>(
             vae_decoder_cache_elements(config(), latent_height, latent_width)) *
         bytes_of(network_->compute());
}

std::int64_t vae_decoder_cache_elements(const VaeConfig& config, std::int64_t latent_height,
                                        std::int64_t latent_width) {
  std::int64_t positions = latent_height * latent_width;
  const std::int64_t middle = config.base_dim * config.dim_mult.back();
  std::int64_t sum = positions * (config.z_dim + 4 * middle);  // conv1; two residual blocks
  std::int64_t last = middle;
  for (const VaeBlock& block : vae_decoder_blocks(config)) {
    if (block.kind == VaeBlock::Kind::residual) {
      sum += positions * (block.in + block.out);
    } else {
      if (block.kind == VaeBlock::Kind::spatial_temporal) sum += positions * block.in;
      positions *= 4;
    }
    last = block.out;
  }
  return CausalConvolution::kept_frames * (sum + positions * last);
}

}  // namespace causeway
