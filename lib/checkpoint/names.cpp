// Tensor names of diffusers and transformers, brought back to those of Wan and umT5.
#include "checkpoint/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace causeway {
namespace {

using Rule =
    std::pair<std::string_view, std::string_view>;  ///< start of a name → what stands for it

/// A number of a module list, and what follows its dot: "12.norm1.weight" → 12, "norm1.weight".
struct Numbered {
  int number = 0;
  std::string_view rest;
};
std::optional<Numbered> split_number(std::string_view text) {
  Numbered result;
  // Nobody has a million layers; a bound keeps sums of such numbers small.
  const auto [end, error] = std::from_chars(
      text.data(), text.data() + std::min<std::size_t>(text.size(), 6), result.number);
  if (error != std::errc() || result.number < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.starts_with('.')) return std::nullopt;
  result.rest = text.substr(1);
  return result;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// The name with its start exchanged by the first rule that fits, or nothing.
std::optional<std::string> exchange_start(std::string_view name, std::span<const Rule> rules) {
  for (const auto& [published, original] : rules) {
    if (name.starts_with(published))
      return fmt::format("{}{}", original, name.substr(published.size()));
  }
  return std::nullopt;
}

constexpr std::array<Rule, 7> transformer_globals{{
    {"condition_embedder.text_embedder.linear_1.", "text_embedding.0."},
    {"condition_embedder.text_embedder.linear_2.", "text_embedding.2."},
    {"condition_embedder.time_embedder.linear_1.", "time_embedding.0."},
    {"condition_embedder.time_embedder.linear_2.", "time_embedding.2."},
    {"condition_embedder.time_proj.", "time_projection.1."},
    {"proj_out.", "head.head."},
    {"scale_shift_table", "head.modulation"},
}};

// In diffusers norm2 comes before the cross-attention and norm3 before the feed-forward network;
// originally it is the other way round.
constexpr std::array<Rule, 17> transformer_block{{
    {"scale_shift_table", "modulation"},
    {"attn1.to_q.", "self_attn.q."},
    {"attn1.to_k.", "self_attn.k."},
    {"attn1.to_v.", "self_attn.v."},
    {"attn1.to_out.0.", "self_attn.o."},
    {"attn1.norm_q.", "self_attn.norm_q."},
    {"attn1.norm_k.", "self_attn.norm_k."},
    {"attn2.to_q.", "cross_attn.q."},
    {"attn2.to_k.", "cross_attn.k."},
    {"attn2.to_v.", "cross_attn.v."},
    {"attn2.to_out.0.", "cross_attn.o."},
    {"attn2.norm_q.", "cross_attn.norm_q."},
    {"attn2.norm_k.", "cross_attn.norm_k."},
    {"norm2.", "norm3."},
    {"norm3.", "norm2."},
    {"ffn.net.0.proj.", "ffn.0."},
    {"ffn.net.2.", "ffn.2."},
}};

std::string original_transformer_name(std::string_view name) {
  std::string_view rest = name;
  if (take_prefix(rest, "blocks.")) {
    const auto block = split_number(rest);
    const auto inner = block ? exchange_start(block->rest, transformer_block) : std::nullopt;
    return inner ? fmt::format("blocks.{}.{}", block->number, *inner) : std::string(name);
  }
  return exchange_start(name, transformer_globals).value_or(std::string(name));
}

constexpr std::array<Rule, 5> residual_block{{
    {"norm1.", "residual.0."},
    {"conv1.", "residual.2."},
    {"norm2.", "residual.3."},
    {"conv2.", "residual.6."},
    {"conv_shortcut.", "shortcut."},
}};

constexpr std::array<Rule, 2> vae_globals{
    {{"quant_conv.", "conv1."}, {"post_quant_conv.", "conv2."}}};

constexpr std::array<Rule, 3> vae_ends{
    {{"conv_in.", "conv1."}, {"norm_out.", "head.0."}, {"conv_out.", "head.2."}}};

std::string residual_name(std::string_view rest) {
  return exchange_start(rest, residual_block).value_or(std::string(rest));
}

/// "resnets.1.conv1.weight" of the middle → "middle.2.residual.2.weight".
std::optional<std::string> middle_name(std::string_view rest) {
  if (take_prefix(rest, "attentions.0.")) return fmt::format("middle.1.{}", rest);
  if (take_prefix(rest, "resnets.0.")) return fmt::format("middle.0.{}", residual_name(rest));
  if (take_prefix(rest, "resnets.1.")) return fmt::format("middle.2.{}", residual_name(rest));
  return std::nullopt;
}

/// The decoder's levels are one flat list originally: the residual blocks of a level, then its
/// upsampler.
std::optional<std::string> up_block_name(std::string_view rest, int blocks_per_level) {
  const auto level = split_number(rest);
  if (!level) return std::nullopt;
  const int first = level->number * (blocks_per_level + 1);
  rest = level->rest;
  if (take_prefix(rest, "resnets.")) {
    const auto block = split_number(rest);
    if (!block) return std::nullopt;
    return fmt::format("upsamples.{}.{}", first + block->number, residual_name(block->rest));
  }
  if (take_prefix(rest, "upsamplers.0.")) {
    return fmt::format("upsamples.{}.{}", first + blocks_per_level, rest);
  }
  return std::nullopt;
}

std::string original_vae_name(std::string_view name, int blocks_per_level) {
  std::string_view rest = name;
  const bool encoder = take_prefix(rest, "encoder.");
  if (!encoder && !take_prefix(rest, "decoder.")) {
    return exchange_start(name, vae_globals).value_or(std::string(name));
  }
  std::optional<std::string> inner;
  if (take_prefix(rest, "down_blocks.")) {
    if (const auto block = split_number(rest)) {
      inner = fmt::format("downsamples.{}.{}", block->number, residual_name(block->rest));
    }
  } else if (take_prefix(rest, "mid_block.")) {
    inner = middle_name(rest);
  } else if (take_prefix(rest, "up_blocks.")) {
    inner = up_block_name(rest, blocks_per_level);
  } else {
    inner = exchange_start(rest, vae_ends);
  }
  return inner ? fmt::format("{}.{}", encoder ? "encoder" : "decoder", *inner) : std::string(name);
}

/// Residual blocks per level of the decoder, from the names that are there; 3 in the published VAE.
int decoder_blocks_per_level(const std::vector<std::string>& names) {
  int count = 0;
  for (const std::string_view name : names) {
    std::string_view rest = name;
    if (!take_prefix(rest, "decoder.up_blocks.")) continue;
    const auto level = split_number(rest);
    if (!level || !take_prefix(rest = level->rest, "resnets.")) continue;
    if (const auto block = split_number(rest)) count = std::max(count, block->number + 1);
  }
  return count;
}

constexpr std::string_view shared_embedding = "shared.weight";
constexpr std::string_view encoder_embedding = "encoder.embed_tokens.weight";

constexpr std::array<Rule, 10> text_block{{
    {"layer.0.layer_norm.", "norm1."},
    {"layer.0.SelfAttention.q.", "attn.q."},
    {"layer.0.SelfAttention.k.", "attn.k."},
    {"layer.0.SelfAttention.v.", "attn.v."},
    {"layer.0.SelfAttention.o.", "attn.o."},
    {"layer.0.SelfAttention.relative_attention_bias.", "pos_embedding.embedding."},
    {"layer.1.layer_norm.", "norm2."},
    {"layer.1.DenseReluDense.wi_0.", "ffn.gate.0."},
    {"layer.1.DenseReluDense.wi_1.", "ffn.fc1."},
    {"layer.1.DenseReluDense.wo.", "ffn.fc2."},
}};

std::string original_text_name(std::string_view name, bool has_shared_embedding) {
  if (name == shared_embedding) return "token_embedding.weight";
  if (name == encoder_embedding) return has_shared_embedding ? "" : "token_embedding.weight";
  if (name == "encoder.final_layer_norm.weight") return "norm.weight";
  std::string_view rest = name;
  if (!take_prefix(rest, "encoder.block.")) return std::string(name);
  const auto block = split_number(rest);
  const auto inner = block ? exchange_start(block->rest, text_block) : std::nullopt;
  return inner ? fmt::format("blocks.{}.{}", block->number, *inner) : std::string(name);
}

/// A name that only the diffusers layout has; needed because `norm2` and `norm3` exist in both.
bool is_diffusers_transformer(const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name.starts_with("condition_embedder.") || name.find(".attn1.") != std::string::npos;
  });
}

}  // namespace

const char* name_of(Network network) {
  switch (network) {
    case Network::transformer:
      return "transformer";
    case Network::vae:
      return "VAE";
    case Network::text_encoder:
      return "text encoder";
  }
  return "?";
}

std::vector<std::string> without_wrapper_prefix(const std::vector<std::string>& names) {
  for (const std::string_view prefix :
       {"model._fsdp_wrapped_module.", "model.diffusion_model.", "model."}) {
    const auto carriers = std::count_if(names.begin(), names.end(),
                                        [&](const auto& name) { return name.starts_with(prefix); });
    if (2 * static_cast<std::size_t>(carriers) <= names.size()) continue;
    std::vector<std::string> result = names;
    for (auto& name : result) {
      if (name.starts_with(prefix)) name.erase(0, prefix.size());
    }
    return result;
  }
  return names;
}

std::vector<std::string> original_names(Network network, const std::vector<std::string>& names) {
  if (network == Network::transformer && !is_diffusers_transformer(names)) return names;
  const int blocks_per_level = decoder_blocks_per_level(names);
  const bool has_shared = std::find(names.begin(), names.end(), shared_embedding) != names.end();
  std::vector<std::string> result;
  result.reserve(names.size());
  for (const auto& name : names) {
    switch (network) {
      case Network::transformer:
        result.push_back(original_transformer_name(name));
        break;
      case Network::vae:
        result.push_back(original_vae_name(name, blocks_per_level));
        break;
      case Network::text_encoder:
        result.push_back(original_text_name(name, has_shared));
        break;
    }
  }
  return result;
}

}  // namespace causeway
