// The umT5 encoder, layer by layer.
#include "model/text_encoder.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "model/stored_weight.hpp"

namespace causeway {
namespace {

/// The matrices of a layer.
constexpr const char* matrix_parts[] = {"attn.q.weight", "attn.k.weight",     "attn.v.weight",
                                        "attn.o.weight", "ffn.gate.0.weight", "ffn.fc1.weight",
                                        "ffn.fc2.weight"};

std::string layer_name(std::int64_t layer, const char* part) {
  return fmt::format("blocks.{}.{}", layer, part);
}

/// The embedding table is read without `at`, which would say this.
void check_type(const TensorStore& store, const StoredTensor& tensor) {
  const ElementType type = tensor.view.type;
  require(
      type == ElementType::f32 || type == ElementType::f16 || type == ElementType::bf16,
      ExitCode::input,
      "{}: tensor '{}' in {} has element type {} (weights may be f32, f16 or bf16); convert the "
      "checkpoint to one of these",
      store.description(), tensor.name, tensor.file, name_of(type));
}

}  // namespace

/// What the layers of one call use one after another.
struct TextEncoder::Buffers {
  Buffers(const Ops& ops, const TextEncoderConfig& config, std::int64_t tokens, ElementType compute)
      : normed(ops.tensor(compute, {tokens, config.width})),
        q(ops.tensor(ElementType::f32, {tokens, config.heads, config.head_dim})),
        k(ops.tensor(ElementType::f32, {tokens, config.heads, config.head_dim})),
        v(ops.tensor(ElementType::f32, {tokens, config.heads, config.head_dim})),
        attended(ops.tensor(compute, {tokens, config.heads, config.head_dim})),
        gate(ops.tensor(ElementType::f32, {tokens, config.ffn})),
        linear(ops.tensor(ElementType::f32, {tokens, config.ffn})),
        gated(ops.tensor(compute, {tokens, config.ffn})),
        update(ops.tensor(ElementType::f32, {tokens, config.width})) {}
  Tensor normed, q, k, v, attended, gate, linear, gated, update;
};

std::int64_t relative_position_bucket(std::int64_t distance, std::int64_t buckets,
                                      std::int64_t max_distance) {
  const std::int64_t per_direction = buckets / 2;
  const std::int64_t exact = per_direction / 2;
  const std::int64_t a = std::abs(distance);
  std::int64_t bucket = a;
  if (a >= exact) {
    const float steps = std::log(static_cast<float>(a) / static_cast<float>(exact)) /
                        std::log(static_cast<float>(max_distance) / static_cast<float>(exact)) *
                        static_cast<float>(per_direction - exact);
    bucket = std::min(per_direction - 1, exact + static_cast<std::int64_t>(steps));
  }
  return bucket + (distance > 0 ? per_direction : 0);
}

TextEncoder::TextEncoder(const TensorStore& store, const TextEncoderConfig& config, const Ops& ops,
                         ElementType compute)
    : store_(&store), config_(config), ops_(&ops), compute_(compute) {
  const auto shapes = text_encoder_tensor_shapes(config);
  store.check_exactly(shapes);
  check_type(store, *store.find("token_embedding.weight"));
  const auto load = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    return ops.to_f32(StoredWeight(store, name, shape).view());
  };
  for (std::int64_t i = 0; i < config.layers; ++i) {
    layers_.push_back(
        {load(layer_name(i, "norm1.weight"), {config.width}),
         load(layer_name(i, "norm2.weight"), {config.width}),
         ops.on_host().to_f32(StoredWeight(store, layer_name(i, "pos_embedding.embedding.weight"),
                                           {config.buckets, config.heads})
                                  .view())});
  }
  final_norm_ = load("norm.weight", {config.width});
}

void TextEncoder::keep_matrices() {
  if (!matrices_.empty()) return;
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    prefetch_layer(layer + 1);
    for (const char* part : matrix_parts) {
      const std::string name = layer_name(layer, part);
      const ConstView shape = store_->find(name)->view;
      const StoredWeight matrix(*store_, name, {shape.shape[0], shape.shape[1]});
      matrices_.emplace(name, ops_->pack(matrix.view(), {}, compute_));
    }
  }
}

Tensor TextEncoder::encode(const std::vector<std::int32_t>& ids) const {
  expects(!ids.empty(), "there is at least one token (the end of the sentence)");
  Tensor stream = embed(ids);
  const View x = stream.view();
  {
    Buffers buffers(*ops_, config_, x.shape[0], compute_);
    for (std::int64_t i = 0; i < config_.layers; ++i) {
      prefetch_layer(i + 1);
      attend(i, buffers, x);
      feed_forward(i, buffers, x);
    }
  }
  Tensor result = ops_->tensor(ElementType::f32, {x.shape[0], config_.width});
  ops_->rms_norm(x, final_norm_.f32(), config_.eps, result.view());
  return std::move(result).moved_to(host_memory());
}

/// Rows of the embedding table as f32 [n, width]; only these rows are read from the file (no
/// prefetch of a table of gigabytes, no copy of one that lies misaligned).
Tensor TextEncoder::embed(const std::vector<std::int32_t>& ids) const {
  const StoredTensor& table = *store_->find("token_embedding.weight");
  const ConstView& view = table.view;
  const std::size_t element = bytes_of(view.type);
  Tensor rows(view.type, {static_cast<std::int64_t>(ids.size()), config_.width});
  auto* target = static_cast<char*>(rows.data());
  for (const std::int32_t id : ids) {
    require(
        id >= 0 && id < config_.vocab, ExitCode::input,
        "{}: token id {} (the embedding table has {} rows); the tokenizer belongs to another model",
        store_->description(), id, config_.vocab);
    for (std::int64_t i = 0; i < config_.width; ++i, target += element) {
      const auto offset = static_cast<std::size_t>(id * view.stride[0] + i * view.stride[1]);
      std::memcpy(target, static_cast<const char*>(view.data) + offset * element, element);
    }
  }
  store_->release_pages(table);
  return ops_->to_f32(rows.view());
}

/// [heads, 2·tokens − 1]: what each head adds to the score of a key at distance key − query.
Tensor TextEncoder::relative_bias(const Layer& layer, std::int64_t tokens) const {
  const std::int64_t distances = 2 * tokens - 1;
  Tensor bias(ElementType::f32, {config_.heads, distances});
  for (std::int64_t entry = 0; entry < distances; ++entry) {
    const std::int64_t bucket =
        relative_position_bucket(entry - (tokens - 1), config_.buckets, config_.max_distance);
    for (std::int64_t head = 0; head < config_.heads; ++head) {
      bias.f32()[head * distances + entry] = layer.bias.f32()[bucket * config_.heads + head];
    }
  }
  return ops_->on_device(std::move(bias));
}

/// Has the next layer's matrices read from disk while this one computes.
void TextEncoder::prefetch_layer(std::int64_t layer) const {
  if (layer >= config_.layers || matrices_.contains(layer_name(layer, matrix_parts[0]))) return;
  for (const char* part : matrix_parts) {
    store_->prefetch(*store_->find(layer_name(layer, part)));
  }
}

/// y = activation(x·Wᵀ) with W as it lies in the file, or kept.
void TextEncoder::linear(ConstView x, const std::string& name, View y,
                         Activation activation) const {
  if (const auto kept = matrices_.find(name); kept != matrices_.end()) {
    ops_->linear(x, kept->second, y, {.activation = activation});
    return;
  }
  const StoredWeight weight(*store_, name, {y.shape[1], x.shape[1]});
  ops_->linear_stored(x, weight.view(), nullptr, y, activation);
}

/// x [n, width] f32 += attention over all tokens, with a bias by distance and without scaling.
void TextEncoder::attend(std::int64_t layer, Buffers& buffers, View x) const {
  const auto rows = [&](Tensor& heads) {  // [n, heads, head_dim] → [n, heads·head_dim]
    return reshaped(heads.view(), {x.shape[0], config_.heads * config_.head_dim});
  };
  const Layer& weights = layers_[static_cast<std::size_t>(layer)];
  ops_->rms_norm(x, weights.norm1.f32(), config_.eps, buffers.normed.view());
  linear(buffers.normed.view(), layer_name(layer, "attn.q.weight"), rows(buffers.q));
  linear(buffers.normed.view(), layer_name(layer, "attn.k.weight"), rows(buffers.k));
  linear(buffers.normed.view(), layer_name(layer, "attn.v.weight"), rows(buffers.v));
  const Tensor bias = relative_bias(weights, x.shape[0]);
  ops_->biased_attention(buffers.q.view(), buffers.k.view(), buffers.v.view(), bias.f32(),
                         buffers.attended.view());
  linear(rows(buffers.attended), layer_name(layer, "attn.o.weight"), buffers.update.view());
  ops_->add(x, buffers.update.view(), x);
}

/// x [n, width] f32 += (fc1(norm(x)) ⊙ gelu(gate(norm(x))))·fc2ᵀ.
void TextEncoder::feed_forward(std::int64_t layer, Buffers& buffers, View x) const {
  const Layer& weights = layers_[static_cast<std::size_t>(layer)];
  ops_->rms_norm(x, weights.norm2.f32(), config_.eps, buffers.normed.view());
  linear(buffers.normed.view(), layer_name(layer, "ffn.gate.0.weight"), buffers.gate.view(),
         Activation::gelu_tanh);
  linear(buffers.normed.view(), layer_name(layer, "ffn.fc1.weight"), buffers.linear.view());
  ops_->multiply(buffers.linear.view(), buffers.gate.view(), buffers.gated.view());
  linear(buffers.gated.view(), layer_name(layer, "ffn.fc2.weight"), buffers.update.view());
  ops_->add(x, buffers.update.view(), x);
}

std::size_t TextEncoder::weight_bytes() const {
  std::size_t sum = final_norm_.bytes();
  for (const Layer& layer : layers_) {
    sum += layer.norm1.bytes() + layer.norm2.bytes() + layer.bias.bytes();
  }
  for (const auto& [name, matrix] : matrices_) sum += matrix.bytes();
  return sum;
}

}  // namespace causeway
