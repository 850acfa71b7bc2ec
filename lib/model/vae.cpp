// Configuration and tensor shapes of the VAE.
#include "model/vae.hpp"

#include <algorithm>
#include <array>

#include "model/json_config.hpp"

namespace causeway {
namespace {

using Shape = std::vector<std::int64_t>;
using Shapes = std::map<std::string, Shape>;

// Statistics of the latents of the 16-channel VAE that all Wan2.1 models share, as published.
constexpr std::array<float, 16> published_mean{
    -0.7571f, -0.7089f, -0.9113f, 0.1075f,  -0.1745f, 0.9653f,  -0.1517f, 1.5508f,
    0.4134f,  -0.0715f, 0.5517f,  -0.3632f, -0.1922f, -0.9497f, 0.2503f,  -0.2921f};
constexpr std::array<float, 16> published_std{2.8184f, 1.4541f, 2.3275f, 2.6558f, 1.2196f, 1.7708f,
                                              2.6052f, 2.0743f, 3.2687f, 2.1526f, 2.8652f, 1.5579f,
                                              1.6382f, 1.1253f, 2.8251f, 1.9160f};

void check_config(const VaeConfig& config, const std::string& where) {
  const auto z = static_cast<std::size_t>(config.z_dim);
  require(config.mean.size() == z && config.std.size() == z, ExitCode::input,
          "{}: latents_mean has {} entries and latents_std {} (both need z_dim = {}); take the "
          "configuration published with these weights",
          where, config.mean.size(), config.std.size(), config.z_dim);
  require(std::all_of(config.std.begin(), config.std.end(), [](float s) { return s > 0; }),
          ExitCode::input, "{}: latents_std has an entry that is not positive (it is divided by)",
          where);
  require(
      config.temporal_downsample.size() + 1 == config.dim_mult.size() &&
          config.dim_mult.size() <= 8,
      ExitCode::input,
      "{}: temperal_downsample has {} entries for {} levels in dim_mult (one per step between two "
      "levels, at most 8 levels)",
      where, config.temporal_downsample.size(), config.dim_mult.size());
  require(config.base_dim <= 4096 && config.z_dim <= 4096 && config.num_res_blocks <= 64,
          ExitCode::input, "{}: base_dim {}, z_dim {}, num_res_blocks {} (more than any VAE has)",
          where, config.base_dim, config.z_dim, config.num_res_blocks);
  for (const auto multiple : config.dim_mult) {
    require(multiple <= 64 && config.base_dim * multiple % 2 == 0, ExitCode::input,
            "{}: dim_mult {} × base_dim {} (up-sampling halves the channels, which must be even)",
            where, multiple, config.base_dim);
  }
}

void refuse_other_families(const JsonConfig& json) {
  const bool residual = json.flag("is_residual", false);
  require(!residual && !json.has("patch_size") && json.entries("attn_scales") == 0 &&
              json.count("in_channels", 3) == 3 && json.count("out_channels", 3) == 3,
          ExitCode::input,
          "{}: is_residual, patch_size, attn_scales or channel counts of another VAE family "
          "(Causeway knows the 3-D causal VAE of Wan2.1); use a Wan2.1 checkpoint",
          json.description());
}

VaeConfig config_from_json(const JsonConfig& json) {
  refuse_other_families(json);
  VaeConfig config;
  config.base_dim = json.count("base_dim");
  config.z_dim = json.count("z_dim");
  config.dim_mult = json.counts("dim_mult");
  config.num_res_blocks = json.count("num_res_blocks");
  config.temporal_downsample =
      json.flags("temperal_downsample");  // the published key is spelled so
  for (const double value : json.numbers("latents_mean"))
    config.mean.push_back(static_cast<float>(value));
  for (const double value : json.numbers("latents_std"))
    config.std.push_back(static_cast<float>(value));
  return config;
}

std::int64_t first_extent(const TensorStore& store, const std::string& name) {
  const auto& view = store.at(name).view;
  require(view.rank >= 1 && view.shape[0] >= 1, ExitCode::input,
          "{}: tensor '{}' has no extent (a weight was expected)", store.description(), name);
  return view.shape[0];
}

VaeConfig config_from_tensors(const TensorStore& store) {
  VaeConfig config;
  config.base_dim = first_extent(store, "decoder.head.0.gamma");
  config.z_dim = first_extent(store, "conv2.weight");
  std::vector<std::int64_t> level_channels{0};
  std::int64_t blocks = 0;
  config.temporal_downsample.clear();
  for (std::int64_t i = 0;; ++i) {
    const std::string name = fmt::format("decoder.upsamples.{}.", i);
    if (store.find(name + "residual.6.weight") != nullptr) {
      level_channels.back() = first_extent(store, name + "residual.6.weight");
      if (level_channels.size() == 1) ++blocks;
    } else if (store.find(name + "resample.1.weight") != nullptr) {
      config.temporal_downsample.push_back(store.find(name + "time_conv.weight") != nullptr);
      level_channels.push_back(0);
    } else {
      break;
    }
  }
  config.num_res_blocks = blocks - 1;
  config.dim_mult.clear();
  for (const auto channels : level_channels) {
    require(blocks >= 1 && channels > 0 && channels % config.base_dim == 0, ExitCode::input,
            "{}: a decoder level has {} channels (not a multiple of the {} at full resolution); "
            "this is "
            "not the VAE of Wan2.1",
            store.description(), channels, config.base_dim);
    config.dim_mult.push_back(channels / config.base_dim);
  }
  std::reverse(config.dim_mult.begin(), config.dim_mult.end());
  std::reverse(config.temporal_downsample.begin(), config.temporal_downsample.end());
  require(config.z_dim == static_cast<std::int64_t>(published_mean.size()), ExitCode::input,
          "{}: the VAE has {} latent channels and no configuration file (the published latent "
          "statistics "
          "are for 16); put its config.json beside it",
          store.description(), config.z_dim);
  config.mean.assign(published_mean.begin(), published_mean.end());
  config.std.assign(published_std.begin(), published_std.end());
  return config;
}

void add_conv(Shapes& shapes, const std::string& name, Shape weight) {
  shapes[name + ".bias"] = {weight[0]};
  shapes[name + ".weight"] = std::move(weight);
}

void add_residual(Shapes& shapes, const std::string& name, std::int64_t in, std::int64_t out) {
  shapes[name + ".residual.0.gamma"] = {in, 1, 1, 1};
  add_conv(shapes, name + ".residual.2", {out, in, 3, 3, 3});
  shapes[name + ".residual.3.gamma"] = {out, 1, 1, 1};
  add_conv(shapes, name + ".residual.6", {out, out, 3, 3, 3});
  if (in != out) add_conv(shapes, name + ".shortcut", {out, in, 1, 1, 1});
}

void add_middle_and_head(Shapes& shapes, const std::string& part, std::int64_t middle,
                         std::int64_t last, std::int64_t out) {
  add_residual(shapes, part + ".middle.0", middle, middle);
  shapes[part + ".middle.1.norm.gamma"] = {middle, 1, 1};
  add_conv(shapes, part + ".middle.1.to_qkv", {3 * middle, middle, 1, 1});
  add_conv(shapes, part + ".middle.1.proj", {middle, middle, 1, 1});
  add_residual(shapes, part + ".middle.2", middle, middle);
  shapes[part + ".head.0.gamma"] = {last, 1, 1, 1};
  add_conv(shapes, part + ".head.2", {out, last, 3, 3, 3});
}

void add_blocks(Shapes& shapes, const std::string& list, const std::vector<VaeBlock>& blocks,
                std::int64_t time_outputs_per_input) {
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const VaeBlock& block = blocks[i];
    const std::string name = fmt::format("{}.{}", list, i);
    if (block.kind == VaeBlock::Kind::residual) {
      add_residual(shapes, name, block.in, block.out);
      continue;
    }
    add_conv(shapes, name + ".resample.1", {block.out, block.in, 3, 3});
    if (block.kind == VaeBlock::Kind::spatial_temporal) {
      add_conv(shapes, name + ".time_conv", {time_outputs_per_input * block.in, block.in, 3, 1, 1});
    }
  }
}

VaeBlock::Kind resample_kind(bool temporal) {
  return temporal ? VaeBlock::Kind::spatial_temporal : VaeBlock::Kind::spatial;
}

}  // namespace

std::int64_t VaeConfig::spatial_stride() const { return std::int64_t{1} << (dim_mult.size() - 1); }

std::int64_t VaeConfig::temporal_stride() const {
  return std::int64_t{1} << std::count(temporal_downsample.begin(), temporal_downsample.end(),
                                       true);
}

std::int64_t VaeConfig::frames(std::int64_t latents) const {
  return latents == 0 ? 0 : 1 + temporal_stride() * (latents - 1);
}

VaeConfig vae_config(const TensorStore& store, const std::string& json) {
  const std::string where = "VAE configuration of " + store.description();
  const VaeConfig config =
      json.empty() ? config_from_tensors(store) : config_from_json({json, where});
  check_config(config, where);
  return config;
}

std::vector<VaeBlock> vae_decoder_blocks(const VaeConfig& config) {
  std::vector<VaeBlock> blocks;
  const std::size_t levels = config.dim_mult.size();
  std::int64_t channels = config.base_dim * config.dim_mult.back();
  for (std::size_t level = levels; level-- > 0;) {
    const std::int64_t out = config.base_dim * config.dim_mult[level];
    for (std::int64_t i = 0; i <= config.num_res_blocks; ++i) {
      blocks.push_back({VaeBlock::Kind::residual, channels, out});
      channels = out;
    }
    if (level == 0) break;
    blocks.push_back(
        {resample_kind(config.temporal_downsample[level - 1]), channels, channels / 2});
    channels /= 2;
  }
  return blocks;
}

std::vector<VaeBlock> vae_encoder_blocks(const VaeConfig& config) {
  std::vector<VaeBlock> blocks;
  std::int64_t channels = config.base_dim;
  for (std::size_t level = 0; level < config.dim_mult.size(); ++level) {
    const std::int64_t out = config.base_dim * config.dim_mult[level];
    for (std::int64_t i = 0; i < config.num_res_blocks; ++i) {
      blocks.push_back({VaeBlock::Kind::residual, channels, out});
      channels = out;
    }
    if (level + 1 == config.dim_mult.size()) break;
    blocks.push_back({resample_kind(config.temporal_downsample[level]), channels, channels});
  }
  return blocks;
}

std::map<std::string, Shape> vae_tensor_shapes(const VaeConfig& config) {
  Shapes shapes;
  const std::int64_t z = config.z_dim;
  const std::int64_t middle = config.base_dim * config.dim_mult.back();
  const auto decoder = vae_decoder_blocks(config);
  const auto encoder = vae_encoder_blocks(config);

  add_conv(shapes, "encoder.conv1", {config.base_dim, 3, 3, 3, 3});
  add_blocks(shapes, "encoder.downsamples", encoder, 1);
  add_middle_and_head(shapes, "encoder", middle, middle, 2 * z);
  add_conv(shapes, "conv1", {2 * z, 2 * z, 1, 1, 1});

  add_conv(shapes, "conv2", {z, z, 1, 1, 1});
  add_conv(shapes, "decoder.conv1", {middle, z, 3, 3, 3});
  add_blocks(shapes, "decoder.upsamples", decoder, 2);
  add_middle_and_head(shapes, "decoder", middle, decoder.back().out, 3);
  return shapes;
}

void check_vae_tensors(const TensorStore& store, const VaeConfig& config) {
  auto expected = vae_tensor_shapes(config);
  const auto is_encoder = [](const std::string& name) {
    return name.starts_with("encoder.") || name.starts_with("conv1.");
  };
  const auto names = store.names();
  if (std::none_of(names.begin(), names.end(), is_encoder)) {
    std::erase_if(expected, [&](const auto& entry) { return is_encoder(entry.first); });
  }
  store.check_exactly(expected);
}

}  // namespace causeway
