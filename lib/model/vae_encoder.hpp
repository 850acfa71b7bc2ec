// Turns frames into normalised latents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "checkpoint/checkpoint.hpp"
#include "model/vae.hpp"
#include "ops/ops.hpp"

namespace causeway {

/// The encoder of one checkpoint: the mean of the latent distribution, nothing is sampled.
class VaeEncoder {
 public:
  /// As VaeDecoder; throws Error(input) also if the checkpoint was published without its encoder.
  VaeEncoder(const TensorStore& store, const VaeConfig& config, const Ops& ops,
             ElementType compute);
  ~VaeEncoder();
  VaeEncoder(VaeEncoder&&) noexcept;
  VaeEncoder& operator=(VaeEncoder&&) noexcept;

  const VaeConfig& config() const;
  /// Both in the host's memory: frames [n, H, W, 3], u8 or f32 in [−1, 1], n = 1 +
  /// temporal_stride·k, H and W multiples of spatial_stride → latents f32 [z_dim, 1 + k,
  /// H/spatial_stride, W/spatial_stride], normalised.
  Tensor encode(ConstView frames);
  std::size_t weight_bytes() const;

 private:
  class Network;
  std::unique_ptr<Network> network_;
};

/// Whether a VAE's tensors hold the encoder, which checkpoints for generation may lack.
bool has_vae_encoder(const TensorStore& store);

}  // namespace causeway
