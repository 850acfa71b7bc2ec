// Attention in parts of its keys: how many are tried, how they are merged, and that the whole is
// that of all keys.
#include "kernels/attention_parts.hpp"

#include <cudnn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cuda_libraries.hpp"
#include "kernels/cudnn_stream.hpp"
#include "support/attention_oracle.hpp"
#include "support/compare.hpp"
#include "support/cuda_on_host/cuda_on_host.hpp"
#include "support/cudnn_on_host/cudnn_on_host.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {
namespace {

using namespace causeway::kernels;
using namespace causeway::kernels::cuda_on_host;

using Counts = std::vector<std::int64_t>;

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Attention of heads of 128 over the first slots of a cache.
AttentionShape shape_of(std::int64_t heads, std::int64_t queries, std::int64_t keys,
                        std::int64_t slots) {
  return {.heads = heads,
          .head_dim = 128,
          .queries = queries,
          .keys = keys,
          .q_token_stride = heads * 128,
          .q_head_stride = 128,
          .y_token_stride = heads * 128,
          .y_head_stride = 128,
          .kv_head_stride = slots * 128};
}

TEST(AttentionParts, AreTriedWhereTheyFillTheDeviceBetter) {
  const auto counts = [](std::int64_t heads, std::int64_t queries, std::int64_t keys) {
    return part_counts(shape_of(heads, queries, keys, 32760), 132);
  };
  // 444 tiles: 3.4 rounds. In two parts 6.7 of half the length, in four 13.5 of a quarter.
  EXPECT_EQ(counts(12, 4680, 4680), (Counts{1, 2, 4}));
  EXPECT_EQ(counts(12, 4680, 32760), (Counts{1, 8, 2}));
  EXPECT_EQ(counts(2, 4680, 32760), (Counts{1, 8, 3})) << "74 tiles";
  EXPECT_EQ(counts(1, 4680, 32760), (Counts{1, 3, 6}));
  EXPECT_EQ(counts(3, 1170, 4680), (Counts{1, 4, 8})) << "30 tiles";
  EXPECT_EQ(counts(40, 4680, 4680), Counts{1}) << "1480 tiles: 11.2 rounds";
  EXPECT_EQ(counts(1, 128, 200), Counts{1}) << "shorter than the merging";
  EXPECT_EQ(part_counts(shape_of(132, 128, 32760, 32760), 132), Counts{1}) << "one full round";
}

TEST(AttentionParts, StayWithinTheCache) {
  // 999 is 3·333; other parts of it end beyond the cache, and the library may read there.
  EXPECT_EQ(part_counts(shape_of(1, 100, 999, 999), 132), (Counts{1, 3}));
  EXPECT_EQ(part_counts(shape_of(1, 100, 999, 1000), 132), (Counts{1, 8, 4}));
  EXPECT_EQ(part_counts(shape_of(1, 100, 997, 997), 132), Counts{1});
  AttentionShape biased = shape_of(1, 100, 1000, 1000);
  biased.has_bias = true;
  EXPECT_EQ(part_counts(biased, 132), Counts{1});
  AttentionShape thin = shape_of(1, 1, 9, 100);
  thin.parts = 8;
  EXPECT_FALSE(can_be_split(thin)) << "parts of two keys: the last ones would have none";
}

TEST(AttentionParts, TheTimeOfAFewIsKnown) {
  AttentionShape s = shape_of(2, 4680, 32760, 32760);
  EXPECT_EQ(attention_time(s, 132), 32760);
  s.parts = 3;
  EXPECT_EQ(attention_time(s, 132), 2 * 10920 + 222 + 250);
  s.keys = 32758;
  EXPECT_EQ(attention_time(s, 132), 2 * 10920 + 222 + 250) << "the longest part counts";
}

/// Rows of parts and what they weigh; and the merged ones in float64.
struct Merging {
  std::int64_t count, queries, heads, head_dim, gap;
  Numbers parts;
  std::vector<float> lse;

  explicit Merging(std::int64_t count_, std::int64_t queries_, std::int64_t heads_,
                   std::int64_t head_dim_, std::int64_t gap_ = 0)
      : count(count_),
        queries(queries_),
        heads(heads_),
        head_dim(head_dim_),
        gap(gap_),
        parts(ElementType::bf16, random_normal(index(count * queries * heads * head_dim), 1)),
        lse(random_normal(index(count * heads * queries), 2, 3.0f)) {}

  std::int64_t lse_at(std::int64_t part, std::int64_t head, std::int64_t query) const {
    return (part * heads + head) * queries + query;
  }
  std::int64_t part_at(std::int64_t part, std::int64_t query, std::int64_t head) const {
    return ((part * queries + query) * heads + head) * head_dim;
  }

  double expected(std::int64_t query, std::int64_t head, std::int64_t i) const {
    double top = -std::numeric_limits<double>::infinity(), total = 0, sum = 0;
    for (std::int64_t p = 0; p < count; ++p) {
      top = std::max(top, static_cast<double>(lse[index(lse_at(p, head, query))]));
    }
    for (std::int64_t p = 0; p < count; ++p) {
      const double weight = std::exp(static_cast<double>(lse[index(lse_at(p, head, query))]) - top);
      if (weight < 1e-40) continue;  // nothing of it is left in f32
      total += weight;
      sum += weight * static_cast<double>(parts[index(part_at(p, query, head) + i)]);
    }
    return sum / total;
  }

  /// y, with `gap` elements of 99 after each query.
  Numbers merged() {
    const std::int64_t width = heads * head_dim + gap;
    Numbers y(ElementType::bf16, index(queries * width), 99.0f);
    EXPECT_EQ(merge_attention_parts({.parts = parts.data(),
                                     .lse = lse.data(),
                                     .count = count,
                                     .queries = queries,
                                     .heads = heads,
                                     .head_dim = head_dim,
                                     .y = y.data(),
                                     .y_token_stride = width,
                                     .y_head_stride = head_dim},
                                    nullptr),
              Status::ok);
    return y;
  }

  void expect_merged() {
    const std::int64_t width = heads * head_dim + gap;
    const Numbers y = merged();
    for (std::int64_t query = 0; query < queries; ++query) {
      for (std::int64_t at = 0; at < width; ++at) {
        const double got = static_cast<double>(y[index(query * width + at)]);
        if (at >= heads * head_dim) {
          ASSERT_EQ(got, 99.0) << "written between the rows";
          continue;
        }
        const double right = expected(query, at / head_dim, at % head_dim);
        ASSERT_NEAR(got, right, 0x1.02p-8 * std::abs(right) + 1e-6) << query << ", " << at;
      }
    }
  }
};

TEST(MergedParts, AreTheWholeOfAnyNumber) {
  Merging(1, 5, 2, 16).expect_merged();
  Merging(2, 1, 1, 8).expect_merged();
  Merging(3, 131, 3, 48).expect_merged();
  Merging(5, 7, 1, 128, 8).expect_merged();
  Merging(8, 33, 2, 24, 16).expect_merged();
}

TEST(MergedParts, MayBeOfVeryDifferentWeight) {
  Merging m(4, 9, 2, 16);
  for (std::size_t i = 0; i < m.lse.size(); ++i) m.lse[i] *= 60.0f;  // hundreds apart
  m.expect_merged();
  for (std::size_t i = 0; i < m.lse.size(); ++i) m.lse[i] = 1e4f + 0.5f * static_cast<float>(i % 3);
  m.expect_merged();
}

TEST(MergedParts, OfNoKeysCountForNothing) {
  Merging m(3, 6, 2, 16);
  for (std::int64_t query = 0; query < 6; ++query) {
    for (std::int64_t head = 0; head < 2; ++head) {
      const std::int64_t empty = (query + head) % 3;
      m.lse[index(m.lse_at(empty, head, query))] = -std::numeric_limits<float>::infinity();
      for (std::int64_t i = 0; i < 16; ++i) {
        m.parts.set(index(m.part_at(empty, query, head) + i),
                    std::numeric_limits<float>::quiet_NaN());
      }
    }
  }
  m.expect_merged();
}

TEST(MergedParts, ThatWeighNoNumberShowInTheResult) {
  constexpr float none = -std::numeric_limits<float>::infinity();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -none}) {
    for (std::int64_t part = 0; part < 3; ++part) {
      Merging m(3, 4, 2, 16);
      const std::int64_t query = part, head = part % 2;
      m.lse[index(m.lse_at((part + 1) % 3, head, query))] = none;  // beside it, what is left out
      m.lse[index(m.lse_at(part, head, query))] = bad;
      const Numbers y = m.merged();
      for (std::int64_t at = 0; at < 4 * 2 * 16; ++at) {
        const bool hit = at / 16 == query * 2 + head;
        EXPECT_EQ(std::isnan(y[index(at)]), hit) << bad << " in part " << part << ", at " << at;
      }
    }
  }
}

TEST(MergedParts, AreReadAndWrittenAsVectors) {
  const std::int64_t before = cuda_on_host_work().vector_bytes;
  Merging(3, 5, 2, 24, 8).merged();
  EXPECT_EQ(cuda_on_host_work().vector_bytes - before, (3 + 1) * 5 * 2 * 24 * 2);
}

TEST(MergedParts, MustLieAtWholeLines) {
  Merging m(2, 2, 1, 12);
  Numbers y(ElementType::bf16, 24);
  EXPECT_EQ(
      merge_attention_parts({m.parts.data(), m.lse.data(), 2, 2, 1, 12, y.data(), 12, 12}, nullptr),
      Status::bad_shape);
}

/// Relative distance of attention in parts from the oracle over all keys.
double distance(std::int64_t parts, std::int64_t keys) {
  constexpr std::int64_t heads = 2, queries = 3, dim = 16, slots = 70;
  const Numbers q(ElementType::bf16, random_normal(queries * heads * dim, 3));
  const Numbers cache(ElementType::bf16, random_normal(2 * heads * slots * dim, 4, 2.0f));
  Numbers y(ElementType::bf16, queries * heads * dim);
  const AttentionShape shape{.heads = heads,
                             .head_dim = dim,
                             .queries = queries,
                             .keys = keys,
                             .q_token_stride = heads * dim,
                             .q_head_stride = dim,
                             .y_token_stride = dim,  // heads before tokens
                             .y_head_stride = queries * dim,
                             .kv_head_stride = slots * dim,
                             .scale = 0.3f,
                             .parts = parts};
  EXPECT_TRUE(can_be_split(shape));
  cudnnHandle_t handle = nullptr;
  EXPECT_EQ(cudnnCreate(&handle), CUDNN_STATUS_SUCCESS);
  EXPECT_EQ(cudnnSetStream(handle, nullptr), CUDNN_STATUS_SUCCESS);
  CudnnAttention attention(shape, {handle, 90, {}});
  EXPECT_TRUE(attention.plan().build(fast_plan));
  Block workspace;
  EXPECT_TRUE(workspace.grow(attention.workspace_bytes()));
  const auto* const k = reinterpret_cast<const bfloat16*>(cache.data());
  EXPECT_TRUE(attention.run({.q = q.data(), .k = k, .v = k + heads * slots * dim, .y = y.data()},
                            workspace.data(), nullptr));
  double apart = 0, size = 0;
  for (std::int64_t head = 0; head < heads; ++head) {
    for (std::int64_t t = 0; t < queries; ++t) {
      std::vector<double> query;
      for (std::int64_t i = 0; i < dim; ++i) {
        query.push_back(static_cast<double>(q[index((t * heads + head) * dim + i)]));
      }
      const auto of = [&](std::int64_t begin) {
        return [&cache, begin, head](std::size_t key, std::size_t i) {
          return static_cast<double>(
              cache[index(begin + (head * slots + static_cast<std::int64_t>(key)) * dim) + i]);
        };
      };
      const auto right = attention_oracle(
          query, index(keys), of(0), of(heads * slots * dim), [](std::size_t) { return 0.0; },
          static_cast<double>(shape.scale));
      for (std::size_t i = 0; i < right.size(); ++i) {
        const double got = static_cast<double>(y[index((head * queries + t) * dim) + i]);
        apart += (got - right[i]) * (got - right[i]);
        size += right[i] * right[i];
      }
    }
  }
  return std::sqrt(apart / size);
}

TEST(CudnnStreams, GiveBackAHandleThatTheyCannotUse) {
  CudnnChoices choices("");
  const int before = cudnn_on_host_handles();
  CudnnStream stream(reinterpret_cast<cudaStream_t>(stream_without_cudnn), {9, 0, 132}, choices);
  EXPECT_EQ(stream.attend(shape_of(1, 1, 1, 1), {}, 0.0f), Status::backend_failure);
  EXPECT_EQ(cudnn_on_host_handles(), before);
}

TEST(SplitAttention, IsThatOfAllKeysInAnyNumberOfParts) {
  for (std::int64_t parts = 1; parts <= 8; ++parts) {
    for (const std::int64_t keys : {57, 63, 64}) {
      EXPECT_LT(distance(parts, keys), 6e-3) << keys << " keys in " << parts << " parts";
    }
  }
  EXPECT_LT(distance(2, 3), 6e-3);
  EXPECT_LT(distance(8, 8), 6e-3);
}

}  // namespace
}  // namespace causeway::testing
