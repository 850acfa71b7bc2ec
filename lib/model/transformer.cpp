// One pass of the causal DiT over a chunk, layer by layer.
#include "model/transformer.hpp"

#include <cmath>

#include "core/clock.hpp"
#include "model/rope.hpp"

namespace causeway {
namespace {

/// A part of a flat buffer as [tokens, heads, head_dim].
View head_view(Tensor& buffer, std::int64_t offset, std::int64_t tokens, std::int64_t heads,
               std::int64_t head_dim) {
  auto* start = static_cast<char*>(buffer.data()) +
                static_cast<std::size_t>(offset) * bytes_of(buffer.type());
  return view_of(start, buffer.type(), {tokens, heads, head_dim});
}

/// Heads [first, first + count) of rows [tokens, width] as [tokens, count, head_dim].
View head_columns(Tensor& rows, std::int64_t first, std::int64_t count, std::int64_t head_dim) {
  View view = head_view(rows, first * head_dim, rows.shape()[0], count, head_dim);
  view.stride[0] = rows.shape()[1];
  return view;
}

/// LN(x)·(1 + scale) + shift
LayerNorm modulated(const float* shift, const float* scale, float eps) {
  return {.scale = scale, .shift = shift, .one_plus_scale = true, .eps = eps};
}

}  // namespace

std::size_t TextContext::bytes() const {
  std::size_t total = 0;
  for (const auto& layer : layers) total += layer.bytes();
  return total;
}

ChunkPass::ChunkPass(const Ops& ops, const TransformerConfig& config, const ChunkPlace& place,
                     const RankGrid& grid, ElementType compute)
    : place_(place),
      layout_(grid, place.tokens(), config.head_dim(),
              static_cast<std::int64_t>(bytes_of(compute))),
      head_dim_(config.head_dim()) {
  const TokenRange own = layout_.own();
  cos_sin_ = ops.on_device(rope_rows());
  residual_ = ops.tensor(ElementType::f32, {own.count, config.width});
  normed_ = ops.tensor(compute, {own.count, config.width});
  projected_ = ops.tensor(compute, {own.count, config.width});
  attended_ = ops.tensor(compute, {own.count, config.width});
  hidden_ = ops.tensor(compute, {own.count, config.ffn});
  patches_ = ops.tensor(compute, {own.count, config.patch_inputs()});
  send_ = ops.tensor(compute, {layout_.send_size()});
  receive_ = ops.tensor(compute, {layout_.receive_size()});
  output_send_ = ops.tensor(compute, {layout_.output_send_size()});
  output_receive_ = ops.tensor(compute, {layout_.output_receive_size()});
}

Tensor ChunkPass::rope_rows() const {
  const TokenRange own = layout_.own();
  return rope_table(head_dim_, place_.first_frame, place_.rows, place_.columns, own.first,
                    own.count);
}

void ChunkPass::move_to(const Ops& ops, std::int64_t first_frame) {
  if (place_.first_frame == first_frame) return;
  place_.first_frame = first_frame;
  const Tensor rows = rope_rows();
  ops.memory().copy_in(cos_sin_.data(), rows.data(), rows.bytes());
}

std::size_t ChunkPass::bytes() const {
  std::size_t total = 0;
  for (const auto* tensor : {&cos_sin_, &residual_, &normed_, &projected_, &attended_, &hidden_,
                             &patches_, &send_, &receive_, &output_send_, &output_receive_}) {
    total += tensor->bytes();
  }
  return total;
}

KvCache Transformer::make_cache(std::int64_t capacity_tokens, std::int64_t sink_tokens,
                                const RankGrid& grid) const {
  const KvLayout layout{grid.local_heads(), config_.head_dim(), capacity_tokens, compute_};
  return KvCache(*ops_, config_.layers, layout, sink_tokens);
}

void Transformer::forward(ChunkPass& pass, double timestep, const TextContext& text, KvCache& cache,
                          Communicator& group, const float* x, float* v) {
  const std::int64_t tokens = pass.own_tokens();
  const ModulationTable& table = modulation_.at(timestep);
  ops_->convert(const_view_of(x, ElementType::f32, {tokens, config_.patch_inputs()}),
                pass.patches_.view());
  ops_->linear(pass.patches_.view(), patch_embedding_, pass.residual_.view());

  // Whatever adds to the residual also takes the norm of the next part, which finds it there.
  ops_->layer_norm(pass.residual_.view(), norm_of_layer(0, table), pass.normed_.view());
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    const bool stop = v == nullptr && layer == config_.layers - 1;
    self_attention(pass, layer, table, cache, group, stop);
    if (stop) return;
    cross_attention(pass, layer, table, text);
    feed_forward(pass, layer, table);
  }
  ops_->linear(pass.normed_.view(), head_,
               view_of(v, ElementType::f32, {tokens, config_.patch_outputs()}));
}

LayerNorm Transformer::norm_of_layer(std::int64_t layer, const ModulationTable& table) const {
  return layer < config_.layers ? modulated(table.row(layer, 0), table.row(layer, 1), config_.eps)
                                : modulated(table.head_row(0), table.head_row(1), config_.eps);
}

void Transformer::project(ChunkPass& pass, const Block& block, int which) const {
  const ChunkLayout& layout = pass.layout_;
  const std::int64_t part = layout.own().count * layout.part_width();
  const LinearWeight* const weights[] = {&block.query, &block.key, &block.value};
  ops_->linear(pass.normed_.view(), *weights[which], pass.projected_.view());
  kernels::NormRopePackArgs args;
  args.x = pass.projected_.view();
  if (which != 2) {  // v is sent as it is
    args.weight = (which == 0 ? block.norm_query : block.norm_key).f32();
    args.cos_sin = pass.cos_sin_.f32();
  }
  args.eps = config_.eps;
  args.heads = config_.heads;
  args.head_dim = config_.head_dim();
  args.head_groups = layout.grid().head_parts();
  args.group_stride = layout.send_stride();
  args.y = static_cast<char*>(pass.send_.data()) +
           static_cast<std::size_t>(which * part) * bytes_of(compute_);
  args.y_type = compute_;
  ops_->norm_rope_pack(args);
}

void Transformer::project_and_exchange(ChunkPass& pass, const Block& block, Communicator& group,
                                       bool with_query) {
  const ChunkLayout& layout = pass.layout_;
  const void* const send = pass.send_.data();
  void* const receive = pass.receive_.data();
  const int first = with_query ? 0 : 1;
  // Of one projection; a number that all ranks share, though one may have a token more.
  const auto tokens = static_cast<double>(layout.tokens() / layout.grid().ranks());
  const auto width = static_cast<double>(config_.width);
  if (!group.overlaps(2.0 * tokens * width * width)) {
    for (int which = first; which < 3; ++which) project(pass, block, which);
    const Exchange& plan = with_query ? layout.query_key_value() : layout.key_value();
    timed(group, [&] { group.exchange(plan, send, receive); });
    return;
  }
  // V goes first: neither norm nor rotation delays it.
  const Exchange* const plans[] = {&layout.query(), &layout.key(), &layout.value()};
  for (int which = 2; which >= first; --which) {
    project(pass, block, which);
    timed(group, [&] { group.exchange_beside(*plans[which], send, receive); });
  }
  // Before anything reads what arrives, and before the next layer packs over what is sent.
  timed(group, [&] { group.join(); });
}

void Transformer::store_keys_and_values(ChunkPass& pass, std::int64_t layer, KvCache& cache) const {
  const ChunkLayout& layout = pass.layout_;
  const RankGrid& grid = layout.grid();
  for (int source = 0; source < grid.ranks(); ++source) {
    const bool own = source == grid.rank();
    const TokenRange part = layout.part(source);
    const auto piece = [&](int which) {
      return head_view(own ? pass.send_ : pass.receive_,
                       own ? layout.own_offset(which) : layout.received_offset(source, which),
                       part.count, grid.local_heads(), config_.head_dim());
    };
    cache.store(*ops_, layer, pass.place_.first_token() + part.first, piece(1), piece(2));
  }
}

void Transformer::attend(ChunkPass& pass, std::int64_t layer, KvCache& cache) const {
  const ChunkLayout& layout = pass.layout_;
  const RankGrid& grid = layout.grid();
  const std::int64_t heads = grid.local_heads(), head_dim = config_.head_dim();
  const std::int64_t visible =
      cache.slots().visible(pass.place_.first_token() + pass.place_.tokens());
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  for (int source = 0; source < grid.ranks(); ++source) {
    if (!grid.same_row(source, grid.rank())) continue;
    const bool own = source == grid.rank();
    const std::int64_t tokens = layout.part(source).count;
    const View q = head_view(own ? pass.send_ : pass.receive_,
                             own ? layout.own_offset(0) : layout.received_offset(source, 0), tokens,
                             heads, head_dim);
    const View y = own ? head_columns(pass.attended_, grid.head_part() * heads, heads, head_dim)
                       : head_view(pass.output_send_, layout.output_send_offset(source), tokens,
                                   heads, head_dim);
    ops_->attention(cache.layer(layer), visible, q, scale, 0.0f, y);
  }
}

void Transformer::collect_outputs(ChunkPass& pass) const {
  const ChunkLayout& layout = pass.layout_;
  const RankGrid& grid = layout.grid();
  for (int mate = 0; mate < grid.ranks(); ++mate) {
    if (mate == grid.rank() || !grid.same_row(mate, grid.rank())) continue;
    const View part = head_view(pass.output_receive_, layout.output_received_offset(mate),
                                pass.own_tokens(), grid.local_heads(), config_.head_dim());
    const ConstView rows = reshaped(part, {pass.own_tokens(), layout.part_width()});
    ops_->convert(rows,
                  columns(pass.attended_.view(), grid.head_part_of(mate) * layout.part_width(),
                          layout.part_width()));
  }
}

void Transformer::self_attention(ChunkPass& pass, std::int64_t layer, const ModulationTable& table,
                                 KvCache& cache, Communicator& group, bool stop_after_cache) {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  project_and_exchange(pass, block, group, !stop_after_cache);
  store_keys_and_values(pass, layer, cache);
  if (stop_after_cache) return;
  attend(pass, layer, cache);
  timed(group, [&] {
    group.exchange(pass.layout_.output(), pass.output_send_.data(), pass.output_receive_.data());
  });
  collect_outputs(pass);
  const LayerNorm before_cross_attention{
      .scale = block.cross_scale.f32(), .shift = block.cross_shift.f32(), .eps = config_.eps};
  ops_->linear_norm(pass.attended_.view(), block.out, table.row(layer, 2), pass.residual_.view(),
                    before_cross_attention, pass.normed_.view());
}

void Transformer::cross_attention(ChunkPass& pass, std::int64_t layer, const ModulationTable& table,
                                  const TextContext& text) const {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  ops_->linear(pass.normed_.view(), block.cross_query, pass.projected_.view());
  kernels::NormRopePackArgs args;
  args.x = pass.projected_.view();
  args.weight = block.cross_norm_query.f32();
  args.eps = config_.eps;
  args.heads = config_.heads;
  args.head_dim = config_.head_dim();
  args.y = pass.normed_.data();
  args.y_type = compute_;
  ops_->norm_rope_pack(args);
  const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim()));
  ops_->attention(text.layers[static_cast<std::size_t>(layer)], text.keys,
                  head_columns(pass.normed_, 0, config_.heads, config_.head_dim()), scale,
                  text.last_key_bias,
                  head_columns(pass.attended_, 0, config_.heads, config_.head_dim()));
  const LayerNorm before_feed_forward =
      modulated(table.row(layer, 3), table.row(layer, 4), config_.eps);
  ops_->linear_norm(pass.attended_.view(), block.cross_out, nullptr, pass.residual_.view(),
                    before_feed_forward, pass.normed_.view());
}

void Transformer::feed_forward(ChunkPass& pass, std::int64_t layer,
                               const ModulationTable& table) const {
  const Block& block = blocks_[static_cast<std::size_t>(layer)];
  ops_->linear(pass.normed_.view(), block.ffn_in, pass.hidden_.view(),
               {.activation = Activation::gelu_tanh});
  ops_->linear_norm(pass.hidden_.view(), block.ffn_out, table.row(layer, 5), pass.residual_.view(),
                    norm_of_layer(layer + 1, table), pass.normed_.view());
}

template <class Work>
void Transformer::timed(const Communicator& group, Work&& work) {
  if (group.size() == 1) return;
  expects(&group.memory() == &ops_->memory(), "the job group exchanges this device's memory");
  const auto start = Clock::now();
  work();
  exchange_seconds_ += seconds_since(start);
}

}  // namespace causeway
