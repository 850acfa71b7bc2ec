// Self-, cross- and T5's attention on the GPU, with a running softmax.
//
// A block has eight queries of one head, a group of sixteen lanes has one query. Keys come in tiles
// of fixed size, in slot order. Scores are taken to base 2 and the running maximum is rounded up to
// an integer, so taking it back out of the sums is exact: a query's bits depend on itself and on
// the keys alone. This is the plain form, on the multiply-add units: the reference for faster ones,
// and the deterministic mode. (Running softmax: Milakov and Gimelshein 2018, Dao et al. 2022.)
#include "kernels/cuda_backend.hpp"
#include "kernels/elements_cuda.hpp"
#include "kernels/kv_layout_cuda.hpp"
#include "kernels/launch_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

constexpr int block_queries = 8;
constexpr int group = 16;  ///< lanes of a query
constexpr int threads = block_queries * group;
constexpr int tile_keys = 32;
constexpr int tile_dims = 64;  ///< of head_dim, held in shared memory at a time
constexpr int most_dims = 512;
constexpr float log2_e = 1.44269504f;

/// [tokens, heads, head_dim], last axis contiguous.
template <class T>
struct HeadRows {
  const T* data;
  std::int64_t token_stride, head_stride;
  __device__ float at(std::int64_t token, std::int64_t head, std::int64_t i) const {
    return read_element(data + token * token_stride + head * head_stride + i);
  }
};

struct Problem {
  std::int64_t queries, keys;
  int head_dim;
  float scale;                 ///< of the scores
  float last_key_bias;         ///< added to the scaled score of the last key
  const float* relative_bias;  ///< null, or [heads, 2·keys − 1], entry (key − query + keys − 1)
};

__device__ inline float group_max(float value) {
  for (int distance = group / 2; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, distance));
  }
  return value;
}
__device__ inline float group_sum(float value) {
  for (int distance = group / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(0xffffffffu, value, distance);
  }
  return value;
}

/// 2^exponent for a whole exponent ≤ 0; 0 far down and for −∞.
__device__ inline float power_of_two(float exponent) {
  return exponent >= -126.0f ? scalbnf(1.0f, static_cast<int>(exponent)) : 0.0f;
}

/// Rows [first, first + tile_rows), columns [dim, dim + tile_dims) of a head, zeros past
/// the ends.
template <class T>
__device__ void load_tile(const HeadRows<T>& source, std::int64_t head, std::int64_t first,
                          std::int64_t end, int tile_rows, int dim, int head_dim,
                          float (*tile)[tile_dims + 1]) {
  for (int i = static_cast<int>(threadIdx.x); i < tile_rows * tile_dims; i += threads) {
    const int row = i / tile_dims, column = i % tile_dims;
    const bool inside = first + row < end && dim + column < head_dim;
    tile[row][column] = inside ? source.at(first + row, head, dim + column) : 0.0f;
  }
}

template <class Q, class K, class Y>
__global__ void __launch_bounds__(threads)
    attend(Problem problem, HeadRows<Q> q, HeadRows<K> k, HeadRows<K> v, Y* y,
           std::int64_t y_token_stride, std::int64_t y_head_stride) {
  __shared__ float queries[block_queries][tile_dims + 1];
  __shared__ float tile[tile_keys][tile_dims + 1];  // of keys, then of values
  __shared__ float weights[block_queries][tile_keys];
  const int mine = static_cast<int>(threadIdx.x) / group;
  const int lane = static_cast<int>(threadIdx.x) % group;
  const std::int64_t head = blockIdx.y;
  const std::int64_t first_query = static_cast<std::int64_t>(blockIdx.x) * block_queries;
  const std::int64_t query = first_query + mine;
  constexpr int shares = most_dims / tile_dims, share = tile_dims / group;
  float sums[shares][share] = {};
  float maximum = -INFINITY, total = 0.0f;

  for (std::int64_t first = 0; first < problem.keys; first += tile_keys) {
    float scores[tile_keys / group] = {};
    for (int dim = 0; dim < problem.head_dim; dim += tile_dims) {
      __syncthreads();  // the tiles of before have been read
      load_tile(q, head, first_query, problem.queries, block_queries, dim, problem.head_dim,
                queries);
      load_tile(k, head, first, problem.keys, tile_keys, dim, problem.head_dim, tile);
      __syncthreads();
      for (int i = 0; i < tile_dims; ++i) {
        for (int s = 0; s < tile_keys / group; ++s) {
          scores[s] = fmaf(queries[mine][i], tile[s * group + lane][i], scores[s]);
        }
      }
    }
    float top = -INFINITY;
    for (int s = 0; s < tile_keys / group; ++s) {
      const std::int64_t key = first + s * group + lane;
      float score = scores[s] * problem.scale;
      // Queries past the end have no bias to read.
      if (problem.relative_bias != nullptr && key < problem.keys && query < problem.queries) {
        score +=
            problem.relative_bias[head * (2 * problem.keys - 1) + key - query + problem.keys - 1];
      }
      if (key == problem.keys - 1) score += problem.last_key_bias;
      scores[s] = key < problem.keys ? score * log2_e : -INFINITY;
      top = fmaxf(top, scores[s]);
    }
    const float new_maximum = fmaxf(maximum, ceilf(group_max(top)));
    const float factor = power_of_two(maximum - new_maximum);
    maximum = new_maximum;
    const float offset = maximum == -INFINITY ? 0.0f : maximum;  // of a tile without any weight
    float tile_total = 0.0f;
    for (int s = 0; s < tile_keys / group; ++s) {
      const float weight = exp2f(scores[s] - offset);
      weights[mine][s * group + lane] = weight;
      tile_total += weight;
    }
    total = total * factor + group_sum(tile_total);
#pragma unroll  // else the sums would lie in memory
    for (int part = 0; part < shares; ++part) {
      const int dim = part * tile_dims;
      if (dim >= problem.head_dim) break;
      __syncthreads();  // keys or the values of before have been read; the weights are there
      load_tile(v, head, first, problem.keys, tile_keys, dim, problem.head_dim, tile);
      __syncthreads();
      for (int s = 0; s < share; ++s) {
        float sum = sums[part][s] * factor;
        for (int key = 0; key < tile_keys; ++key) {
          sum = fmaf(weights[mine][key], tile[key][s * group + lane], sum);
        }
        sums[part][s] = sum;
      }
    }
  }
  if (query >= problem.queries) return;
  const float inverse = 1.0f / total;
#pragma unroll
  for (int part = 0; part < shares; ++part) {
    for (int s = 0; s < share; ++s) {
      const int i = part * tile_dims + s * group + lane;
      if (i < problem.head_dim) {
        write_element(y + query * y_token_stride + head * y_head_stride + i,
                      sums[part][s] * inverse);
      }
    }
  }
}

template <class T>
HeadRows<T> rows_of(const T* data, const ConstView& view) {
  return {data, view.stride[0], view.stride[1]};
}

template <class Q, class K, class Y>
Status start(const Problem& problem, std::int64_t heads, HeadRows<Q> q, HeadRows<K> k,
             HeadRows<K> v, Y* y, const View& y_view, Stream stream) {
  const auto blocks = static_cast<unsigned>((problem.queries + block_queries - 1) / block_queries);
  return launch(attend<Q, K, Y>, dim3(blocks, static_cast<unsigned>(heads)), threads, stream,
                problem, q, k, v, y, y_view.stride[0], y_view.stride[1]);
}

}  // namespace

Status attention(const AttentionArgs& args, Stream stream) {
  const KvLayout& layout = args.layout;
  if (args.q.type != layout.type) return Status::unsupported_type;
  const bool fits = is_valid(layout) && layout.head_dim <= most_dims && args.valid >= 1 &&
                    args.valid <= layout.capacity && args.scale > 0.0f && args.q.rank == 3 &&
                    is_heads(args.q, args.q.shape[0], layout.heads, layout.head_dim) &&
                    is_heads(args.y, args.q.shape[0], layout.heads, layout.head_dim);
  if (!fits) return Status::bad_shape;
  const Problem problem{args.q.shape[0], args.valid,         static_cast<int>(layout.head_dim),
                        args.scale,      args.last_key_bias, nullptr};
  const KvPlaces places(layout);
  return with_types(args.q, args.y, [&](auto* q, auto* y) {
    using T = std::remove_cvref_t<decltype(*q)>;
    const HeadRows<T> keys{static_cast<const T*>(args.cache), places.head_dim,
                           places.head_stride()};
    HeadRows<T> values = keys;
    values.data += places.values();
    return start(problem, layout.heads, rows_of(q, args.q), keys, values, y, args.y, stream);
  });
}

Status biased_attention(const BiasedAttentionArgs& args, Stream stream) {
  const ConstView& q = args.q;
  if (q.rank != 3 || args.relative_bias == nullptr) return Status::bad_shape;
  const std::int64_t tokens = q.shape[0], heads = q.shape[1], head_dim = q.shape[2];
  const bool fits =
      heads > 0 && head_dim > 0 && head_dim <= most_dims && is_heads(q, tokens, heads, head_dim) &&
      is_heads(args.k, tokens, heads, head_dim) && is_heads(args.v, tokens, heads, head_dim) &&
      is_heads(args.y, tokens, heads, head_dim);
  if (!fits) return Status::bad_shape;
  if (args.k.type != args.v.type) return Status::unsupported_type;
  const Problem problem{tokens, tokens, static_cast<int>(head_dim), 1.0f, 0.0f, args.relative_bias};
  return with_types(q, args.y, [&](auto* queries, auto* y) {
    return with_type(args.k.type, args.k.data, [&](auto* keys) {
      const auto* values = static_cast<decltype(keys)>(args.v.data);
      return start(problem, heads, rows_of(queries, q), rows_of(keys, args.k),
                   rows_of(values, args.v), y, args.y, stream);
    });
  });
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
