// Names and shapes of every tensor of the three networks.
#include "support/network_shapes.hpp"

#include <string>

namespace causeway::testing {

namespace {

using Shape = std::vector<std::int64_t>;

void add_with_bias(TensorShapes& shapes, const std::string& name, const Shape& weight) {
  shapes[name + ".weight"] = weight;
  shapes[name + ".bias"] = {weight.front()};
}

void add_transformer_block(TensorShapes& shapes, const std::string& prefix, std::int64_t dim,
                           std::int64_t ffn_dim) {
  shapes[prefix + "modulation"] = {1, 6, dim};
  for (const char* attention : {"self_attn.", "cross_attn."}) {
    for (const char* letter : {"q", "k", "v", "o"}) {
      add_with_bias(shapes, prefix + attention + letter, {dim, dim});
    }
    shapes[prefix + attention + "norm_q.weight"] = {dim};
    shapes[prefix + attention + "norm_k.weight"] = {dim};
  }
  add_with_bias(shapes, prefix + "norm3", {dim});
  add_with_bias(shapes, prefix + "ffn.0", {ffn_dim, dim});
  add_with_bias(shapes, prefix + "ffn.2", {dim, ffn_dim});
}

void add_residual(TensorShapes& shapes, const std::string& name, std::int64_t in,
                  std::int64_t out) {
  shapes[name + ".residual.0.gamma"] = {in, 1, 1, 1};
  add_with_bias(shapes, name + ".residual.2", {out, in, 3, 3, 3});
  shapes[name + ".residual.3.gamma"] = {out, 1, 1, 1};
  add_with_bias(shapes, name + ".residual.6", {out, out, 3, 3, 3});
  if (in != out) add_with_bias(shapes, name + ".shortcut", {out, in, 1, 1, 1});
}

void add_middle_and_head(TensorShapes& shapes, const std::string& part, std::int64_t middle,
                         std::int64_t last, std::int64_t out) {
  add_residual(shapes, part + ".middle.0", middle, middle);
  shapes[part + ".middle.1.norm.gamma"] = {middle, 1, 1};
  add_with_bias(shapes, part + ".middle.1.to_qkv", {3 * middle, middle, 1, 1});
  add_with_bias(shapes, part + ".middle.1.proj", {middle, middle, 1, 1});
  add_residual(shapes, part + ".middle.2", middle, middle);
  shapes[part + ".head.0.gamma"] = {last, 1, 1, 1};
  add_with_bias(shapes, part + ".head.2", {out, last, 3, 3, 3});
}

void add_encoder(TensorShapes& shapes, const VaeShape& network) {
  add_with_bias(shapes, "encoder.conv1", {network.base_dim, 3, 3, 3, 3});
  std::int64_t channels = network.base_dim;
  int index = 0;
  for (std::size_t level = 0; level < network.dim_mult.size(); ++level) {
    const std::int64_t out = network.base_dim * network.dim_mult[level];
    for (std::int64_t block = 0; block < network.residual_blocks; ++block) {
      add_residual(shapes, "encoder.downsamples." + std::to_string(index++), channels, out);
      channels = out;
    }
    if (level + 1 == network.dim_mult.size()) break;
    const std::string sampler = "encoder.downsamples." + std::to_string(index++);
    add_with_bias(shapes, sampler + ".resample.1", {out, out, 3, 3});
    if (network.temporal_downsample[level]) {
      add_with_bias(shapes, sampler + ".time_conv", {out, out, 3, 1, 1});
    }
  }
  add_middle_and_head(shapes, "encoder", channels, channels, 2 * network.z_dim);
}

void add_decoder(TensorShapes& shapes, const VaeShape& network) {
  const std::size_t levels = network.dim_mult.size();
  const std::int64_t middle = network.base_dim * network.dim_mult.back();
  add_with_bias(shapes, "decoder.conv1", {middle, network.z_dim, 3, 3, 3});
  std::int64_t channels = middle;
  int index = 0;
  for (std::size_t level = 0; level < levels; ++level) {
    const std::int64_t out = network.base_dim * network.dim_mult[levels - 1 - level];
    for (std::int64_t block = 0; block <= network.residual_blocks; ++block) {
      add_residual(shapes, "decoder.upsamples." + std::to_string(index++), channels, out);
      channels = out;
    }
    if (level + 1 == levels) break;
    const std::string sampler = "decoder.upsamples." + std::to_string(index++);
    add_with_bias(shapes, sampler + ".resample.1", {out / 2, out, 3, 3});
    if (network.temporal_downsample[levels - 2 - level]) {
      add_with_bias(shapes, sampler + ".time_conv", {2 * out, out, 3, 1, 1});
    }
    channels = out / 2;
  }
  add_middle_and_head(shapes, "decoder", middle, channels, 3);
}

}  // namespace

TensorShapes transformer_shapes(const TransformerShape& network) {
  const std::int64_t dim = network.dim;
  TensorShapes shapes;
  add_with_bias(shapes, "patch_embedding", {dim, network.channels, 1, 2, 2});
  add_with_bias(shapes, "text_embedding.0", {dim, network.text_dim});
  add_with_bias(shapes, "text_embedding.2", {dim, dim});
  add_with_bias(shapes, "time_embedding.0", {dim, network.freq_dim});
  add_with_bias(shapes, "time_embedding.2", {dim, dim});
  add_with_bias(shapes, "time_projection.1", {6 * dim, dim});
  for (std::int64_t layer = 0; layer < network.layers; ++layer) {
    add_transformer_block(shapes, "blocks." + std::to_string(layer) + ".", dim, network.ffn_dim);
  }
  shapes["head.modulation"] = {1, 2, dim};
  add_with_bias(shapes, "head.head", {4 * network.channels, dim});
  return shapes;
}

TensorShapes vae_shapes(const VaeShape& network) {
  expects(network.temporal_downsample.size() + 1 == network.dim_mult.size(),
          "a down-sampler stands between each two levels");
  TensorShapes shapes;
  add_encoder(shapes, network);
  add_with_bias(shapes, "conv1", {2 * network.z_dim, 2 * network.z_dim, 1, 1, 1});
  add_with_bias(shapes, "conv2", {network.z_dim, network.z_dim, 1, 1, 1});
  add_decoder(shapes, network);
  return shapes;
}

TensorShapes text_encoder_shapes(const TextEncoderShape& network) {
  const std::int64_t width = network.width, inner = network.heads * network.head_dim;
  TensorShapes shapes;
  shapes["token_embedding.weight"] = {network.vocabulary, width};
  for (std::int64_t layer = 0; layer < network.layers; ++layer) {
    const std::string prefix = "blocks." + std::to_string(layer) + ".";
    shapes[prefix + "norm1.weight"] = {width};
    for (const char* letter : {"q", "k", "v"}) {
      shapes[prefix + "attn." + letter + ".weight"] = {inner, width};
    }
    shapes[prefix + "attn.o.weight"] = {width, inner};
    shapes[prefix + "pos_embedding.embedding.weight"] = {network.buckets, network.heads};
    shapes[prefix + "norm2.weight"] = {width};
    shapes[prefix + "ffn.gate.0.weight"] = {network.ffn_dim, width};
    shapes[prefix + "ffn.fc1.weight"] = {network.ffn_dim, width};
    shapes[prefix + "ffn.fc2.weight"] = {width, network.ffn_dim};
  }
  shapes["norm.weight"] = {width};
  return shapes;
}

}  // namespace causeway::testing
