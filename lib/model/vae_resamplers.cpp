// Up- and down-sampling of the VAE.
#include "model/vae_resamplers.hpp"

namespace causeway {

Upsampler::Upsampler(VaeRuntime& runtime, const TensorStore& store, const std::string& name,
                     const VaeBlock& block)
    : runtime_(&runtime), in_(block.in), out_(block.out) {
  kernels::ConvSpec spec;
  spec.in_channels = in_;
  spec.out_channels = out_;
  spec.kernel = {1, 3, 3};
  spec.pad_before = spec.pad_after = {0, 1, 1};
  spatial_ = load_convolution(runtime, store, name + ".resample.1", spec, false);
  if (block.kind == VaeBlock::Kind::spatial_temporal) {
    time_.emplace(runtime, store, name + ".time_conv", in_, 2 * in_, 1);
  }
}

void Upsampler::begin(std::int64_t height, std::int64_t width) {
  if (time_) time_->begin(height, width);
}

void Upsampler::end() {
  if (time_) time_->end();
}

View Upsampler::in_time(View x, bool first_latent, std::size_t slot) {
  const bool doubles = time_.has_value() && !first_latent;
  const View y = runtime_->scratch.take(slot, runtime_->compute,
                                        {doubles ? 2 : 1, x.shape[1], x.shape[2], in_});
  if (!doubles) {
    runtime_->ops.convert(x, y);
    return y;
  }
  const View both = runtime_->scratch.take(VaeScratch::conv_output, runtime_->compute,
                                           {1, x.shape[1], x.shape[2], 2 * in_});
  runtime_->ops.convert(x, time_->next_frame());
  time_->run(both);
  runtime_->ops.interleave_time(both, y);
  return y;
}

void Upsampler::in_space(View x, View y) {
  const View large = runtime_->scratch.take(VaeScratch::conv_input, runtime_->compute,
                                            {1, y.shape[1], y.shape[2], in_});
  runtime_->ops.upsample_nearest_2x(x, large);
  if (runtime_->compute == y.type) {
    runtime_->ops.convolve(spatial_, large, y);
    return;
  }
  const View result = runtime_->scratch.take(VaeScratch::conv_output, runtime_->compute,
                                             {1, y.shape[1], y.shape[2], out_});
  runtime_->ops.convolve(spatial_, large, result);
  runtime_->ops.convert(result, y);
}

Downsampler::Downsampler(VaeRuntime& runtime, const TensorStore& store, const std::string& name,
                         const VaeBlock& block)
    : runtime_(&runtime),
      channels_(block.in),
      temporal_(block.kind == VaeBlock::Kind::spatial_temporal) {
  kernels::ConvSpec spec;
  spec.in_channels = spec.out_channels = channels_;
  spec.kernel = {1, 3, 3};
  spec.stride = {1, 2, 2};
  spec.pad_after = {0, 1, 1};  // right and bottom only
  spatial_ = load_convolution(runtime, store, name + ".resample.1", spec, false);
  if (!temporal_) return;
  kernels::ConvSpec in_time;
  in_time.in_channels = in_time.out_channels = channels_;
  in_time.kernel = {3, 1, 1};
  in_time.stride = {2, 1, 1};
  time_ = load_convolution(runtime, store, name + ".time_conv", in_time, true);
}

void Downsampler::begin(std::int64_t height, std::int64_t width) {
  if (temporal_) {
    window_ = runtime_->ops.tensor(runtime_->compute, {3, height / 2, width / 2, channels_});
  }
  waiting_ = -1;
}

bool Downsampler::run(View x, View y) {
  const Ops& ops = runtime_->ops;
  const View input = runtime_->scratch.take(VaeScratch::conv_input, runtime_->compute,
                                            {1, x.shape[1], x.shape[2], channels_});
  const View result = runtime_->scratch.take(VaeScratch::conv_output, runtime_->compute,
                                             {1, y.shape[1], y.shape[2], channels_});
  ops.convert(x, input);
  ops.convolve(spatial_, input, result);
  if (temporal_ && !in_time(result)) return false;
  ops.convert(result, y);
  return true;
}

/// The first frame passes and is remembered; then every second frame makes one of it, the one
/// before it and the remembered one. `frame` is replaced by the outcome; false if there is none
/// yet.
bool Downsampler::in_time(View frame) {
  const Ops& ops = runtime_->ops;
  const View window = window_.view();
  ops.convert(frame, frames_of(window, 1 + waiting_, 1));
  if (++waiting_ == 0) return true;
  if (waiting_ < 2) return false;
  ops.convolve(time_, window, frame);
  ops.convert(frames_of(window, 2, 1), frames_of(window, 0, 1));
  waiting_ = 0;
  return true;
}

}  // namespace causeway
