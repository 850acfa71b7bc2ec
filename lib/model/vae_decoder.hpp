// Turns latents into frames, latent by latent, with the causal feature caches of the VAE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "checkpoint/checkpoint.hpp"
#include "model/vae.hpp"
#include "ops/ops.hpp"

namespace causeway {

/// Receives the frames of one latent: [frames, height, width, 3] of the compute type, nominally in
/// [−1, 1] but not clamped. The memory is the decoder's and is written again for the next latent.
using FrameSink = std::function<void(ConstView frames)>;

/// The decoder of one checkpoint; one video at a time. The first latent of a video gives one frame,
/// every further one `temporal_stride` frames. The same latents give the same bits however they are
/// cut into calls.
class VaeDecoder {
 public:
  /// Converts the weights tensor by tensor. `compute` is f32 or bf16 (the stream between blocks
  /// stays f32). `ops` must outlive the decoder. Throws Error(input) if the tensors are not those
  /// of `config`.
  VaeDecoder(const TensorStore& store, const VaeConfig& config, const Ops& ops,
             ElementType compute);
  ~VaeDecoder();
  VaeDecoder(VaeDecoder&&) noexcept;
  VaeDecoder& operator=(VaeDecoder&&) noexcept;

  const VaeConfig& config() const;
  /// Starts a video: empty caches for latents of this size.
  void begin(std::int64_t latent_height, std::int64_t latent_width);
  /// latents [z_dim, n, latent_height, latent_width], f32, normalised, contiguous, in the host's
  /// memory; calls `sink` n times, with frames where the backend's kernels find them.
  void decode(ConstView latents, const FrameSink& sink);
  /// Gives caches and scratch memory back; weights stay.
  void end();

  std::size_t weight_bytes() const;
  std::size_t cache_bytes() const;    ///< of the video in progress
  std::size_t scratch_bytes() const;  ///< beside weights and caches, at its peak so far
  /// What `cache_bytes` will be for latents of this size.
  std::size_t cache_bytes(std::int64_t latent_height, std::int64_t latent_width) const;

 private:
  class Network;
  std::unique_ptr<Network> network_;
};

/// Elements of the causal feature caches (four frames per convolution over time) for one latent
/// size.
std::int64_t vae_decoder_cache_elements(const VaeConfig& config, std::int64_t latent_height,
                                        std::int64_t latent_width);

}  // namespace causeway
