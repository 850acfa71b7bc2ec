// Reading a transformer's hyper-parameters, and the list of tensors they imply.
#include "model/transformer_config.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "model/json_config.hpp"

namespace causeway {
namespace {

/// The extent of one axis of a tensor.
std::int64_t extent(const TensorStore& store, const char* name, int axis) {
  const StoredTensor& tensor = store.at(name);
  require(axis < tensor.view.rank, ExitCode::input,
          "tensor {} of the {} has {} axes (at least {} expected)", name, store.description(),
          tensor.view.rank, axis + 1);
  return tensor.view.shape[static_cast<std::size_t>(axis)];
}

std::int64_t count_blocks(const TensorStore& store) {
  std::int64_t blocks = 0;
  for (const auto& name : store.names()) {
    constexpr std::string_view prefix = "blocks.";
    if (!name.starts_with(prefix)) continue;
    std::int64_t index = -1;
    std::from_chars(name.data() + prefix.size(), name.data() + name.size(), index);
    blocks = std::max(blocks, index + 1);
  }
  return blocks;
}

void check_text(const JsonConfig& json, const char* key, const char* expected) {
  const std::string value = json.text(key, expected);
  require(value == expected, ExitCode::input, "{}: {} is \"{}\" (this engine runs \"{}\" only)",
          json.description(), key, value, expected);
}

void agree(const TensorStore& store, const char* what, std::int64_t in_config,
           std::int64_t in_tensors) {
  require(in_config == in_tensors, ExitCode::input,
          "the {}: {} is {} in the config file but {} in the tensors; config and weights are of "
          "different "
          "models",
          store.description(), what, in_config, in_tensors);
}

}  // namespace

TransformerConfig read_transformer_config(const std::string& text, const TensorStore& store) {
  const JsonConfig json(text.empty() ? "{}" : text, "configuration of the " + store.description());
  check_text(json, "model_type", "t2v");
  check_text(json, "qk_norm", "rms_norm_across_heads");

  TransformerConfig config;
  config.width = extent(store, "patch_embedding.weight", 0);
  config.in_channels = extent(store, "patch_embedding.weight", 1);
  require(extent(store, "patch_embedding.weight", 2) == 1, ExitCode::input,
          "the {}: patches span {} latent frames (this engine splits a video frame by frame: 1)",
          store.description(), extent(store, "patch_embedding.weight", 2));
  config.patch_height = extent(store, "patch_embedding.weight", 3);
  config.patch_width = extent(store, "patch_embedding.weight", 4);
  config.text_dim = extent(store, "text_embedding.0.weight", 1);
  config.freq_dim = extent(store, "time_embedding.0.weight", 1);
  config.ffn = extent(store, "blocks.0.ffn.0.weight", 0);
  config.out_channels =
      extent(store, "head.head.weight", 0) / (config.patch_height * config.patch_width);
  config.layers = count_blocks(store);

  const char* heads_key = json.has("num_heads") ? "num_heads" : "num_attention_heads";
  if (json.has(heads_key)) {
    config.heads = json.count(heads_key);
    if (json.has("attention_head_dim")) {
      agree(store, "width (heads × head size)", config.heads * json.count("attention_head_dim"),
            config.width);
    }
  } else {
    // Without a config file: every published Wan2.1 model has heads of 128.
    require(config.width % 128 == 0, ExitCode::input,
            "the {} has width {} and no config file says how many heads (published models have "
            "heads of "
            "128); put its config.json beside it",
            store.description(), config.width);
    config.heads = config.width / 128;
  }
  require(config.width % config.heads == 0 && config.head_dim() % 2 == 0 && config.head_dim() >= 6,
          ExitCode::input,
          "the {}: width {} cannot be split into {} heads of an even size of at least 6",
          store.description(), config.width, config.heads);
  agree(store, "width", json.count("dim", config.width), config.width);
  agree(store, "blocks", json.count("num_layers", config.layers), config.layers);
  agree(store, "ffn width", json.count("ffn_dim", config.ffn), config.ffn);
  agree(store, "text width", json.count("text_dim", config.text_dim), config.text_dim);
  config.text_length = json.count("text_len", config.text_length);
  config.eps = static_cast<float>(json.number("eps", config.eps));
  require(config.in_channels == config.out_channels, ExitCode::input,
          "the {} takes {} latent channels and gives {} (this engine runs text-to-video models, "
          "where both are "
          "equal; image-to-video models take more)",
          store.description(), config.in_channels, config.out_channels);
  require(config.freq_dim % 2 == 0, ExitCode::input, "the {}: sinusoid width {} is odd",
          store.description(), config.freq_dim);
  return config;
}

std::map<std::string, std::vector<std::int64_t>> transformer_tensor_shapes(
    const TransformerConfig& c) {
  const std::int64_t d = c.width;
  std::map<std::string, std::vector<std::int64_t>> shapes{
      {"patch_embedding.weight", {d, c.in_channels, 1, c.patch_height, c.patch_width}},
      {"patch_embedding.bias", {d}},
      {"text_embedding.0.weight", {d, c.text_dim}},
      {"text_embedding.0.bias", {d}},
      {"text_embedding.2.weight", {d, d}},
      {"text_embedding.2.bias", {d}},
      {"time_embedding.0.weight", {d, c.freq_dim}},
      {"time_embedding.0.bias", {d}},
      {"time_embedding.2.weight", {d, d}},
      {"time_embedding.2.bias", {d}},
      {"time_projection.1.weight", {6 * d, d}},
      {"time_projection.1.bias", {6 * d}},
      {"head.modulation", {1, 2, d}},
      {"head.head.weight", {c.patch_outputs(), d}},
      {"head.head.bias", {c.patch_outputs()}},
  };
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    const std::string block = "blocks." + std::to_string(layer) + ".";
    shapes[block + "modulation"] = {1, 6, d};
    for (const char* attention : {"self_attn.", "cross_attn."}) {
      for (const char* projection : {"q", "k", "v", "o"}) {
        shapes[block + attention + projection + ".weight"] = {d, d};
        shapes[block + attention + projection + ".bias"] = {d};
      }
      shapes[block + attention + "norm_q.weight"] = {d};
      shapes[block + attention + "norm_k.weight"] = {d};
    }
    shapes[block + "norm3.weight"] = {d};
    shapes[block + "norm3.bias"] = {d};
    shapes[block + "ffn.0.weight"] = {c.ffn, d};
    shapes[block + "ffn.0.bias"] = {c.ffn};
    shapes[block + "ffn.2.weight"] = {d, c.ffn};
    shapes[block + "ffn.2.bias"] = {d};
  }
  return shapes;
}

std::int64_t parameter_count(const TransformerConfig& config) {
  std::int64_t total = 0;
  for (const auto& [name, shape] : transformer_tensor_shapes(config)) {
    std::int64_t size = 1;
    for (const auto n : shape) size *= n;
    total += size;
  }
  return total;
}

}  // namespace causeway
