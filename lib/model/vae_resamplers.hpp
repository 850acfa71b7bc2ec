// The blocks of the VAE that change the resolution, frame by frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "model/vae.hpp"
#include "model/vae_blocks.hpp"

namespace causeway {

/// Doubles the resolution, and the frames too where it has a temporal convolution.
class Upsampler {
 public:
  Upsampler(VaeRuntime& runtime, const TensorStore& store, const std::string& name,
            const VaeBlock& block);
  /// `height` and `width` of the input.
  void begin(std::int64_t height, std::int64_t width);
  void end();
  /// x [1, h, w, in] f32 → [1 or 2, h, w, in] of the compute type in scratch `slot`. The first
  /// latent of a video is exempt from doubling, and the temporal convolution does not even see it.
  View in_time(View x, bool first_latent, std::size_t slot);
  /// x [1, h, w, in] of the compute type → y [1, 2h, 2w, out] f32.
  void in_space(View x, View y);
  std::int64_t out_channels() const { return out_; }
  std::size_t weight_bytes() const {
    return spatial_.bytes() + (time_ ? time_->weight_bytes() : 0);
  }
  std::size_t cache_bytes() const { return time_ ? time_->cache_bytes() : 0; }

 private:
  VaeRuntime* runtime_;
  std::int64_t in_, out_;
  Convolution spatial_;
  std::optional<CausalConvolution> time_;
};

/// Halves the resolution; with a temporal convolution it also makes one frame of every two.
class Downsampler {
 public:
  Downsampler(VaeRuntime& runtime, const TensorStore& store, const std::string& name,
              const VaeBlock& block);
  /// `height` and `width` of the input.
  void begin(std::int64_t height, std::int64_t width);
  void end() { window_ = Tensor(); }
  /// x [1, h, w, c] f32 → y [1, h/2, w/2, c] f32; false if y has to wait for another frame.
  bool run(View x, View y);
  std::size_t weight_bytes() const { return spatial_.bytes() + time_.bytes(); }

 private:
  bool in_time(View frame);

  VaeRuntime* runtime_;
  std::int64_t channels_;
  bool temporal_;
  Convolution spatial_, time_;  // the latter only where temporal_
  Tensor window_;               // [3, h, w, c]: the remembered frame and up to two that wait
  int waiting_ = -1;            // frames that wait; −1 before the first frame of a video
};

}  // namespace causeway
