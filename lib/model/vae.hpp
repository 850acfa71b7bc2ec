// The causal VAE of Wan2.1 as numbers: configuration, plan of the blocks, tensor shapes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"

namespace causeway {

/// What tells one VAE from another; the defaults are those published with Wan2.1.
struct VaeConfig {
  std::int64_t base_dim = 96;  ///< channels at full resolution
  std::int64_t z_dim = 16;     ///< latent channels
  std::vector<std::int64_t> dim_mult{1, 2, 4,
                                     4};  ///< channels of each level as multiples of base_dim
  std::int64_t num_res_blocks = 2;        ///< per level (the decoder has one more)
  std::vector<bool> temporal_downsample{false, true, true};  ///< one per step between two levels
  std::vector<float> mean, std;  ///< [z_dim]: a latent is normalised as (z − mean)/std

  std::int64_t spatial_stride() const;   ///< pixels per latent, each way (Wan2.1: 8)
  std::int64_t temporal_stride() const;  ///< frames per latent after the first (Wan2.1: 4)
  /// Frames that `latents` latents decode to: 1 + temporal_stride·(latents − 1).
  std::int64_t frames(std::int64_t latents) const;
};

/// From the text of a diffusers configuration, or, if that is empty, from the shapes of the tensors
/// (then the statistics are the published ones, which exist for 16 latent channels only). Throws
/// Error(input): a wrong or missing key, a VAE of another family, shapes that fit no VAE.
VaeConfig vae_config(const TensorStore& store, const std::string& json);

/// One element of the flat lists `encoder.downsamples` and `decoder.upsamples`.
struct VaeBlock {
  enum class Kind {
    residual,
    spatial,
    spatial_temporal
  };  ///< the latter two change the resolution
  Kind kind = Kind::residual;
  std::int64_t in = 0, out = 0;  ///< channels
};
std::vector<VaeBlock> vae_decoder_blocks(const VaeConfig& config);
std::vector<VaeBlock> vae_encoder_blocks(const VaeConfig& config);

/// Name → shape of every tensor, encoder and decoder, in the original naming.
std::map<std::string, std::vector<std::int64_t>> vae_tensor_shapes(const VaeConfig& config);

/// Checks names and shapes both ways; a file that has no encoder at all is accepted.
/// Throws Error(input) that lists all differences.
void check_vae_tensors(const TensorStore& store, const VaeConfig& config);

}  // namespace causeway
