// Names and shapes of every tensor of the three networks, written from the published naming.
#pragma once

#include <cstdint>
#include <vector>

#include "support/map_store.hpp"

namespace causeway::testing {

/// The video transformer; defaults are those of the golden numbers.
struct TransformerShape {
  std::int64_t dim = 64;  ///< heads × head size
  std::int64_t ffn_dim = 96;
  std::int64_t layers = 2;
  std::int64_t text_dim = 20;
  std::int64_t freq_dim = 16;
  std::int64_t channels = 4;  ///< latent channels, in and out
};
/// 15 tensors and 27 per layer, original Wan2.1 names.
TensorShapes transformer_shapes(const TransformerShape& network);

/// The causal VAE; defaults are those of the golden numbers.
struct VaeShape {
  std::int64_t base_dim = 4;
  std::int64_t z_dim = 3;
  std::vector<std::int64_t> dim_mult = {1, 2, 4, 4};
  std::int64_t residual_blocks = 2;
  std::vector<bool> temporal_downsample = {false, true, true};
};
/// 194 tensors for the published structure, original names.
TensorShapes vae_shapes(const VaeShape& network);

/// The umT5 encoder; defaults are those of the golden numbers.
struct TextEncoderShape {
  std::int64_t vocabulary = 50;
  std::int64_t width = 16;
  std::int64_t heads = 4;
  std::int64_t head_dim = 4;
  std::int64_t ffn_dim = 24;
  std::int64_t layers = 2;
  std::int64_t buckets = 32;
};
/// 2 tensors and 10 per layer, original names.
TensorShapes text_encoder_shapes(const TextEncoderShape& network);

}  // namespace causeway::testing
