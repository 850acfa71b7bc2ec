// Loading a transformer tensor by tensor, and the context that a prompt gives to its
// cross-attention.
#include <cmath>

#include "model/stored_weight.hpp"
#include "model/transformer.hpp"

namespace causeway {

Transformer::Transformer(const TensorStore& store, const TransformerConfig& config, const Ops& ops,
                         ElementType compute)
    : store_(&store),
      config_(config),
      ops_(&ops),
      compute_(compute),
      modulation_((store.check_exactly(transformer_tensor_shapes(config)), store), config_, ops) {
  const StoredWeight patches(
      store, "patch_embedding.weight",
      {config.width, config.in_channels, 1, config.patch_height, config.patch_width});
  patch_embedding_ =
      ops.pack(patches.as({config.width, config.patch_inputs()}),
               StoredWeight(store, "patch_embedding.bias", {config.width}).view(), compute);
  head_ = load_linear("head.head", config.patch_outputs(), config.width);
  for (std::int64_t layer = 0; layer < config.layers; ++layer) blocks_.push_back(load_block(layer));
}

LinearWeight Transformer::load_linear(const std::string& name, std::int64_t outputs,
                                      std::int64_t inputs) const {
  const StoredWeight weight(*store_, name + ".weight", {outputs, inputs});
  const StoredWeight bias(*store_, name + ".bias", {outputs});
  return ops_->pack(weight.view(), bias.view(), compute_);
}

Tensor Transformer::load_vector(const std::string& name) const {
  return ops_->to_f32(StoredWeight(*store_, name, {config_.width}).view());
}

Transformer::Block Transformer::load_block(std::int64_t layer) const {
  const std::string prefix = "blocks." + std::to_string(layer) + ".";
  const std::int64_t width = config_.width;
  Block block;
  block.query = load_linear(prefix + "self_attn.q", width, width);
  block.key = load_linear(prefix + "self_attn.k", width, width);
  block.value = load_linear(prefix + "self_attn.v", width, width);
  block.out = load_linear(prefix + "self_attn.o", width, width);
  block.cross_query = load_linear(prefix + "cross_attn.q", width, width);
  block.cross_out = load_linear(prefix + "cross_attn.o", width, width);
  block.ffn_in = load_linear(prefix + "ffn.0", config_.ffn, width);
  block.ffn_out = load_linear(prefix + "ffn.2", width, config_.ffn);
  block.norm_query = load_vector(prefix + "self_attn.norm_q.weight");
  block.norm_key = load_vector(prefix + "self_attn.norm_k.weight");
  block.cross_norm_query = load_vector(prefix + "cross_attn.norm_q.weight");
  block.cross_scale = load_vector(prefix + "norm3.weight");
  block.cross_shift = load_vector(prefix + "norm3.bias");
  return block;
}

std::size_t Transformer::weight_bytes() const {
  std::size_t total = patch_embedding_.bytes() + head_.bytes();
  for (const auto& b : blocks_) {
    for (const auto* linear : {&b.query, &b.key, &b.value, &b.out, &b.cross_query, &b.cross_out,
                               &b.ffn_in, &b.ffn_out}) {
      total += linear->bytes();
    }
    for (const auto* vector :
         {&b.norm_query, &b.norm_key, &b.cross_norm_query, &b.cross_scale, &b.cross_shift}) {
      total += vector->bytes();
    }
  }
  return total;
}

TextContext Transformer::make_text_context(ConstView context) const {
  expects(context.rank == 2 && context.shape[1] == config_.text_dim,
          "the context is [n, text_dim]");
  expects(context.shape[0] <= config_.text_length, "the context is no longer than the text length");
  const std::int64_t padding = config_.text_length - context.shape[0];
  const std::int64_t width = config_.width;
  TextContext text;
  text.keys = context.shape[0] + (padding > 0 ? 1 : 0);
  text.last_key_bias = padding > 1 ? std::log(static_cast<float>(padding)) : 0.0f;

  // Weights that run once per prompt are used as they lie in the file: no second copy stays
  // resident.
  const auto linear = [&](const std::string& name, const Tensor& x, std::int64_t inputs,
                          Activation activation) {
    const StoredWeight weight(*store_, name + ".weight", {width, inputs});
    const Tensor bias = ops_->to_f32(StoredWeight(*store_, name + ".bias", {width}).view());
    Tensor y = ops_->tensor(compute_, {x.shape()[0], width});
    ops_->linear_stored(x.view(), weight.view(), bias.f32(), y.view(), activation);
    return y;
  };
  Tensor rows = Tensor::zeros(compute_, {text.keys, config_.text_dim}, ops_->memory());
  ops_->convert(ops_->uploaded(context).view(), rows.rows(0, context.shape[0]));
  const Tensor hidden = linear("text_embedding.0", rows, config_.text_dim, Activation::gelu_tanh);
  const Tensor embedded = linear("text_embedding.2", hidden, width, Activation::none);

  const KvLayout layout{config_.heads, config_.head_dim(), text.keys, compute_};
  kernels::NormRopePackArgs args;
  args.eps = config_.eps;
  args.heads = config_.heads;
  args.head_dim = config_.head_dim();
  args.y_type = compute_;
  Tensor normed = ops_->tensor(compute_, {text.keys, config_.heads, config_.head_dim()});
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    const std::string prefix = "blocks." + std::to_string(layer) + ".cross_attn.";
    const Tensor key = linear(prefix + "k", embedded, width, Activation::none);
    const Tensor value = linear(prefix + "v", embedded, width, Activation::none);
    const Tensor norm = load_vector(prefix + "norm_k.weight");
    args.x = key.view();
    args.weight = norm.f32();
    args.y = normed.data();
    ops_->norm_rope_pack(args);
    text.layers.push_back(ops_->make_kv(layout));
    ops_->kv_store(text.layers.back(), normed.view(),
                   reshaped(value.view(), {text.keys, config_.heads, config_.head_dim()}), 0);
  }
  return text;
}

}  // namespace causeway
