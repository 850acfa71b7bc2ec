// T5's attention: no cache, no scale, a bias by distance; packed on the way, in f32.
#include <cstdint>

#include "kernels/flash_cpu.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

/// Query rows that share one packing.
constexpr int task_rows = 16 * tile_rows;
/// Keys packed at a time.
constexpr int key_block = 64;
static_assert(key_block % panel_width == 0 && key_block <= kv_block);
/// What the buffers on a thread's stack have room for (together 640 KiB).
constexpr std::int64_t most_head_dim = 512;

float element_at(const ConstView& view, std::int64_t at) {
  return view.type == ElementType::f32 ? static_cast<const float*>(view.data)[at]
                                       : to_float(static_cast<const bfloat16*>(view.data)[at]);
}

/// Keys [first, first + count) as panels [head_dim][panel_width], values as panels
/// [key_block][width].
void pack_block(const BiasedAttentionArgs& args, std::int64_t head, std::int64_t first,
                std::int64_t count, float* keys, float* values) {
  const std::int64_t head_dim = args.k.shape[2], padded_dim = round_up(head_dim, lanes);
  for (std::int64_t i = 0; i < key_block; ++i) {
    const bool used = i < count;
    const std::int64_t k = (first + i) * args.k.stride[0] + head * args.k.stride[1];
    const std::int64_t v = (first + i) * args.v.stride[0] + head * args.v.stride[1];
    float* key = keys + i / panel_width * panel_width * head_dim + i % panel_width;
    for (std::int64_t d = 0; d < padded_dim; ++d) {
      const bool inside = used && d < head_dim;
      if (d < head_dim) key[d * panel_width] = inside ? element_at(args.k, k + d) : 0.0f;
      const std::int64_t dim = d / panel_width * panel_width;
      const std::int64_t width = smaller(panel_width, padded_dim - dim);
      values[dim * key_block + i * width + d - dim] = inside ? element_at(args.v, v + d) : 0.0f;
    }
  }
}

/// Queries [begin, end) of one head.
void attend(const BiasedAttentionArgs& args, std::int64_t head, std::int64_t begin,
            std::int64_t end) {
  alignas(64) float keys[key_block * most_head_dim], values[key_block * most_head_dim];
  alignas(64) float q[task_rows * most_head_dim], sums[task_rows * most_head_dim];
  alignas(64) float denominators[task_rows * lanes];
  float maximum[task_rows];
  const std::int64_t tokens = args.q.shape[0], head_dim = args.q.shape[2];
  const std::int64_t padded_dim = round_up(head_dim, lanes);
  start_rows(static_cast<int>(end - begin), padded_dim, {maximum, denominators, sums});
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t at = row * args.q.stride[0] + head * args.q.stride[1];
    for (std::int64_t d = 0; d < head_dim; ++d) {
      q[(row - begin) * head_dim + d] = element_at(args.q, at + d);
    }
  }
  FlashBlock<float> block;
  block.keys = keys;
  block.values = values;
  block.value_slots = key_block;
  block.head_dim = head_dim;
  block.scale = log2_e;
  const float* relative_bias = args.relative_bias + head * (2 * tokens - 1) + tokens - 1;
  for (std::int64_t key = 0; key < tokens; key += key_block) {
    block.count = smaller(key_block, tokens - key);
    pack_block(args, head, key, block.count, keys, values);
    for (std::int64_t row = begin; row < end; row += tile_rows) {
      const std::int64_t local = row - begin;
      block.bias = relative_bias + key - row;
      add_block(block, static_cast<int>(smaller(tile_rows, end - row)), q + local * head_dim,
                head_dim,
                {maximum + local, denominators + local * lanes, sums + local * padded_dim});
    }
  }
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t local = row - begin;
    write_row_of(args.y, row, head, head_dim, sums + local * padded_dim,
                 denominators + local * lanes);
  }
}

}  // namespace

Status biased_attention(const BiasedAttentionArgs& args, Stream) {
  if (!is_f32_or_bf16(args.q.type) || !is_f32_or_bf16(args.k.type) ||
      !is_f32_or_bf16(args.v.type) || !is_f32_or_bf16(args.y.type)) {
    return Status::unsupported_type;
  }
  const std::int64_t tokens = args.q.shape[0], heads = args.q.shape[1], head_dim = args.q.shape[2];
  const bool fits =
      heads >= 1 && head_dim >= 1 && head_dim <= most_head_dim && args.relative_bias != nullptr &&
      is_heads(args.q, tokens, heads, head_dim) && is_heads(args.k, tokens, heads, head_dim) &&
      is_heads(args.v, tokens, heads, head_dim) && is_heads(args.y, tokens, heads, head_dim);
  if (!fits) return Status::bad_shape;
  const std::int64_t parts = (tokens + task_rows - 1) / task_rows;
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t task = 0; task < heads * parts; ++task) {
    const std::int64_t begin = task % parts * task_rows;
    attend(args, task / parts, begin, smaller(begin + task_rows, tokens));
  }
  return Status::ok;
}

}  // namespace causeway::kernels::CAUSEWAY_ISA
