// Configuration and tensor shapes of the umT5 encoder.
#include "model/json_config.hpp"
#include "model/text_encoder.hpp"

namespace causeway {
namespace {

std::int64_t extent(const TensorStore& store, const std::string& name, int axis) {
  const StoredTensor* tensor = store.find(name);  // `at` would start to read a table of gigabytes
  const ConstView& view = (tensor != nullptr ? *tensor : store.at(name)).view;
  require(view.rank == 2, ExitCode::input, "{}: tensor '{}' has {} axes (a matrix was expected)",
          store.description(), name, view.rank);
  return view.shape[static_cast<std::size_t>(axis)];
}

TextEncoderConfig config_from_json(const JsonConfig& json) {
  const std::string feed_forward = json.text("feed_forward_proj", "gated-gelu");
  require(feed_forward == "gated-gelu", ExitCode::input,
          "{}: feed_forward_proj is '{}' (umT5 has 'gated-gelu'); use the umT5 encoder of Wan2.1",
          json.description(), feed_forward);
  TextEncoderConfig config;
  config.vocab = json.count("vocab_size");
  config.width = json.count("d_model");
  config.heads = json.count("num_heads");
  config.head_dim = json.count("d_kv");
  config.ffn = json.count("d_ff");
  config.layers = json.count("num_layers");
  config.buckets = json.count("relative_attention_num_buckets", config.buckets);
  config.max_distance = json.count("relative_attention_max_distance", config.max_distance);
  config.eps = static_cast<float>(json.number("layer_norm_epsilon", 1e-6));
  return config;
}

TextEncoderConfig config_from_tensors(const TensorStore& store) {
  TextEncoderConfig config;
  config.vocab = extent(store, "token_embedding.weight", 0);
  config.width = extent(store, "token_embedding.weight", 1);
  config.buckets = extent(store, "blocks.0.pos_embedding.embedding.weight", 0);
  config.heads = extent(store, "blocks.0.pos_embedding.embedding.weight", 1);
  const std::int64_t inner = extent(store, "blocks.0.attn.q.weight", 0);
  require(config.heads > 0 && inner % config.heads == 0, ExitCode::input,
          "{}: {} attention channels for {} heads (the heads must divide them); the file is "
          "damaged or of "
          "another model",
          store.description(), inner, config.heads);
  config.head_dim = inner / config.heads;
  config.ffn = extent(store, "blocks.0.ffn.fc1.weight", 0);
  while (store.find(fmt::format("blocks.{}.norm1.weight", config.layers)) != nullptr)
    ++config.layers;
  return config;
}

}  // namespace

TextEncoderConfig text_encoder_config(const TensorStore& store, const std::string& json) {
  const std::string where = "text encoder configuration of " + store.description();
  const TextEncoderConfig config =
      json.empty() ? config_from_tensors(store) : config_from_json({json, where});
  require(config.layers >= 1 && config.layers <= 1024, ExitCode::input,
          "{}: {} layers (umT5 encoders have between 1 and 1024)", where, config.layers);
  require(
      config.buckets >= 4 && config.buckets % 4 == 0 && config.max_distance > config.buckets / 4,
      ExitCode::input,
      "{}: {} relative position buckets up to a distance of {} (buckets must be a multiple of 4 "
      "and the "
      "distance larger than a quarter of them)",
      where, config.buckets, config.max_distance);
  return config;
}

std::map<std::string, std::vector<std::int64_t>> text_encoder_tensor_shapes(
    const TextEncoderConfig& config) {
  std::map<std::string, std::vector<std::int64_t>> shapes;
  const std::int64_t inner = config.heads * config.head_dim;
  shapes["token_embedding.weight"] = {config.vocab, config.width};
  shapes["norm.weight"] = {config.width};
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const std::string block = fmt::format("blocks.{}.", i);
    shapes[block + "norm1.weight"] = {config.width};
    shapes[block + "norm2.weight"] = {config.width};
    shapes[block + "attn.q.weight"] = {inner, config.width};
    shapes[block + "attn.k.weight"] = {inner, config.width};
    shapes[block + "attn.v.weight"] = {inner, config.width};
    shapes[block + "attn.o.weight"] = {config.width, inner};
    shapes[block + "pos_embedding.embedding.weight"] = {config.buckets, config.heads};
    shapes[block + "ffn.gate.0.weight"] = {config.ffn, config.width};
    shapes[block + "ffn.fc1.weight"] = {config.ffn, config.width};
    shapes[block + "ffn.fc2.weight"] = {config.width, config.ffn};
  }
  return shapes;
}

}  // namespace causeway
