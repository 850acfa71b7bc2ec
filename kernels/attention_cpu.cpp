// Self- and cross-attention over the packed cache.
#include <omp.h>

#include <cstdint>

#include "kernels/flash_cpu.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

/// Most query rows of a task; they share keys and values while those are in the second-level cache.
constexpr int task_rows = 40 * tile_rows;
/// Room for the sums of a task's rows, 256 KiB on the stack of each thread.
constexpr std::int64_t sum_room = 65536;
constexpr std::int64_t most_head_dim = sum_room / tile_rows;
/// Multiply-adds below which one thread is faster than waking the others.
constexpr std::int64_t parallel_products = 1 << 18;

/// Rows per task: many where the sums have room, fewer where threads would be idle. Not seen in any
/// bits.
std::int64_t rows_per_task(std::int64_t tokens, std::int64_t heads, std::int64_t padded_dim) {
  std::int64_t rows = smaller(task_rows, sum_room / padded_dim / tile_rows * tile_rows);
  const std::int64_t wanted = 4 * static_cast<std::int64_t>(omp_get_max_threads());
  while (rows > 8 * tile_rows && (tokens + rows - 1) / rows * heads < wanted) {
    rows = round_up(rows / 2, tile_rows);
  }
  return rows;
}

/// Tokens [begin, end) of one head.
template <class Element>
void attend(const AttentionArgs& args, std::int64_t head, std::int64_t begin, std::int64_t end) {
  alignas(64) float sums[sum_room];
  alignas(64) float denominators[task_rows * lanes];
  float maximum[task_rows];
  const KvPlaces<Element> places(args.layout);
  const std::int64_t padded_dim = places.padded_dim();
  const auto* cache = static_cast<const Element*>(args.cache);
  const auto* q = static_cast<const Element*>(args.q.data) + head * args.q.stride[1];
  start_rows(static_cast<int>(end - begin), padded_dim, {maximum, denominators, sums});

  FlashBlock<Element> block;
  block.value_slots = kv_block;
  block.head_dim = places.head_dim;
  block.scale = args.scale * log2_e;
  for (std::int64_t slot = 0; slot < args.valid; slot += kv_block) {
    block.keys = cache + places.key_panel(head, slot);
    block.values = cache + places.value_panel(head, slot, 0);
    block.count = smaller(kv_block, args.valid - slot);
    block.last_bias = slot + block.count == args.valid ? args.last_key_bias / args.scale : 0.0f;
    for (std::int64_t row = begin; row < end; row += tile_rows) {
      const std::int64_t local = row - begin;
      add_block(block, static_cast<int>(smaller(tile_rows, end - row)), q + row * args.q.stride[0],
                args.q.stride[0],
                {maximum + local, denominators + local * lanes, sums + local * padded_dim});
    }
  }
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t local = row - begin;
    write_row_of(args.y, row, head, places.head_dim, sums + local * padded_dim,
                 denominators + local * lanes);
  }
}

template <class Element>
void attend_all(const AttentionArgs& args) {
  const std::int64_t tokens = args.q.shape[0];
  const std::int64_t rows =
      rows_per_task(tokens, args.layout.heads, KvPlaces<Element>(args.layout).padded_dim());
  const std::int64_t parts = (tokens + rows - 1) / rows;
  const bool parallel = args.q.size() * args.valid >= parallel_products;
  // Tasks of one head follow each other, so that threads share its keys in the last-level cache.
#pragma omp parallel for schedule(dynamic) if (parallel)
  for (std::int64_t task = 0; task < args.layout.heads * parts; ++task) {
    const std::int64_t begin = task % parts * rows;
    attend<Element>(args, task / parts, begin, smaller(begin + rows, tokens));
  }
}

}  // namespace

Status attention(const AttentionArgs& args, Stream) {
  const KvLayout& layout = args.layout;
  if (!is_f32_or_bf16(layout.type) || args.q.type != layout.type) return Status::unsupported_type;
  if (args.y.type != ElementType::f32 && args.y.type != ElementType::bf16) {
    return Status::unsupported_type;
  }
  const bool fits = is_valid(layout) && layout.head_dim <= most_head_dim - lanes &&
                    args.valid >= 1 && args.valid <= layout.capacity && args.scale > 0.0f &&
                    args.q.rank == 3 &&
                    is_heads(args.q, args.q.shape[0], layout.heads, layout.head_dim) &&
                    is_heads(args.y, args.q.shape[0], layout.heads, layout.head_dim);
  if (!fits) return Status::bad_shape;
  if (layout.type == ElementType::bf16) {
    attend_all<bfloat16>(args);
  } else {
    attend_all<float>(args);
  }
  return Status::ok;
}

}  // namespace causeway::kernels::CAUSEWAY_ISA
