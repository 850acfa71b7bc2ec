// The numbers that fix a Wan transformer, read from its config file or from its tensors' shapes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"

namespace causeway {

/// Hyper-parameters of the DiT. Names follow the Wan2.1 report; the published 1.3B values are in
/// comments.
struct TransformerConfig {
  std::int64_t width = 0;          ///< model width D (1536)
  std::int64_t layers = 0;         ///< blocks (30)
  std::int64_t heads = 0;          ///< attention heads (12)
  std::int64_t ffn = 0;            ///< hidden width of the feed-forward part (8960)
  std::int64_t in_channels = 0;    ///< latent channels in (16)
  std::int64_t out_channels = 0;   ///< latent channels out (16)
  std::int64_t text_dim = 0;       ///< width of the text encoder's output (4096)
  std::int64_t text_length = 512;  ///< rows of context that cross-attention sees
  std::int64_t freq_dim = 0;       ///< width of the timestep sinusoid (256)
  std::int64_t patch_height = 2, patch_width = 2;
  float eps = 1e-6f;

  std::int64_t head_dim() const { return width / heads; }
  std::int64_t patch_inputs() const { return in_channels * patch_height * patch_width; }
  std::int64_t patch_outputs() const { return out_channels * patch_height * patch_width; }
};

/// Reads `json` (Wan's config.json or diffusers' transformer/config.json; may be empty) and fills
/// what it leaves open from the shapes in `store`. Throws Error(input) where they contradict each
/// other, where a feature is asked for that this engine lacks, or where heads cannot be known.
TransformerConfig read_transformer_config(const std::string& json, const TensorStore& store);

/// Every tensor of the transformer in original naming, with its shape.
std::map<std::string, std::vector<std::int64_t>> transformer_tensor_shapes(
    const TransformerConfig& config);

/// Number of parameters: the sum over `transformer_tensor_shapes`.
std::int64_t parameter_count(const TransformerConfig& config);

}  // namespace causeway
