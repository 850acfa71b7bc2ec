// The end of an attention that a library made in parts of its keys, on the GPU.
#include "kernels/cuda_libraries.hpp"
#include "kernels/launch_cuda.hpp"
#include "kernels/vector_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

constexpr int columns = 8;  ///< of a thread: 16 bytes

struct MergedParts {
  const bfloat16* parts;
  const float* lse;
  bfloat16* y;
  std::int64_t count, queries, heads, head_dim, y_token_stride, y_head_stride;

  __device__ void operator()(std::int64_t i) const {
    const std::int64_t groups = head_dim / columns;
    const std::int64_t column = i % groups * columns, head = i / groups % heads;
    const std::int64_t query = i / (groups * heads);
    const float* const mine = lse + head * queries + query;
    const std::int64_t step = heads * queries;
    float largest = mine[0];
    for (std::int64_t p = 1; p < count; ++p) largest = fmaxf(largest, mine[p * step]);
    float total = 0.0f, sums[columns] = {};
    for (std::int64_t p = 0; p < count; ++p) {
      const float weight = expf(mine[p * step] - largest);
      // Of no keys, or too small: its rows may hold anything. What weighs NaN shall be seen.
      if (weight == 0.0f) continue;
      total += weight;
      add_part(weight, parts + ((p * queries + query) * heads + head) * head_dim + column, sums);
    }
    const auto word = [&](int c) { return word_of(sums[c] / total, sums[c + 1] / total); };
    __stwb(reinterpret_cast<uint4*>(y + query * y_token_stride + head * y_head_stride + column),
           make_uint4(word(0), word(2), word(4), word(6)));
  }

  __device__ static void add_part(float weight, const bfloat16* part, float (&sums)[columns]) {
    const uint4 read = *reinterpret_cast<const uint4*>(part);
    const unsigned words[columns / 2] = {read.x, read.y, read.z, read.w};
#pragma unroll
    for (int i = 0; i < columns / 2; ++i) {
      sums[2 * i] = fmaf(weight, low_half(words[i]), sums[2 * i]);
      sums[2 * i + 1] = fmaf(weight, low_half(words[i] >> 16), sums[2 * i + 1]);
    }
  }
};

struct PartLengths {
  std::int32_t* lengths;
  std::int64_t parts, queries, keys, part_keys;
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t left = keys - (i - parts) * part_keys;
    lengths[i] = static_cast<std::int32_t>(i < parts ? queries : min(left, part_keys));
  }
  __device__ static std::int64_t min(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
};

}  // namespace

Status merge_attention_parts(const AttentionParts& args, Stream stream) {
  const bool whole = args.head_dim % columns == 0 && args.y_token_stride % columns == 0 &&
                     args.y_head_stride % columns == 0;
  if (!whole || args.count < 1) return Status::bad_shape;
  const MergedParts body{static_cast<const bfloat16*>(args.parts),
                         args.lse,
                         static_cast<bfloat16*>(args.y),
                         args.count,
                         args.queries,
                         args.heads,
                         args.head_dim,
                         args.y_token_stride,
                         args.y_head_stride};
  return for_each_element(args.queries * args.heads * (args.head_dim / columns), stream, body);
}

Status fill_part_lengths(std::int32_t* lengths, std::int64_t parts, std::int64_t queries,
                         std::int64_t keys, std::int64_t part_keys, Stream stream) {
  return for_each_element(2 * parts, stream, PartLengths{lengths, parts, queries, keys, part_keys});
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
