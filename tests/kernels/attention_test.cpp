// Attention and its cache against float64, and bit for bit in any split, on every backend.
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "support/attention_oracle.hpp"
#include "support/compare.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {
namespace {

using kernels::KvLayout;
using kernels::Status;

constexpr ElementType types[] = {ElementType::f32, ElementType::bf16};

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

/// [tokens, heads, head_dim] with gaps after each head and each token.
struct Heads {
  std::int64_t tokens, heads, head_dim, head_gap, token_gap;
  Numbers numbers;

  Heads(ElementType type, std::int64_t tokens_, std::int64_t heads_, std::int64_t head_dim_,
        std::uint32_t seed, float deviation = 1.0f, std::int64_t head_gap_ = 0,
        std::int64_t token_gap_ = 0)
      : tokens(tokens_),
        heads(heads_),
        head_dim(head_dim_),
        head_gap(head_gap_),
        token_gap(token_gap_),
        numbers(type, random_normal(index(tokens_ * token_stride() + 1), seed, deviation)) {}

  std::int64_t head_stride() const { return head_dim + head_gap; }
  std::int64_t token_stride() const { return heads * head_stride() + token_gap; }
  float at(std::int64_t token, std::int64_t head, std::int64_t i) const {
    return numbers[index(token * token_stride() + head * head_stride() + i)];
  }
  /// Heads [first_head, first_head + count) of tokens [begin, end).
  View part(std::int64_t begin, std::int64_t end, std::int64_t first_head, std::int64_t count) {
    View view = numbers.view({end - begin, count, head_dim});
    view.stride = {token_stride(), head_stride(), 1};
    view.data = numbers.data() + index(begin * token_stride() + first_head * head_stride()) *
                                     bytes_of(numbers.type());
    return view;
  }
  View all() { return part(0, tokens, 0, heads); }
};

/// A cache with some tokens in it; memory that was never written holds a large finite number.
struct Cache {
  const kernels::Kernels& backend;
  KvLayout layout;
  std::vector<float> memory;

  Cache(const kernels::Kernels& backend_, KvLayout layout_, float stale = 0.0f)
      : backend(backend_), layout(layout_), memory(backend_.kv_bytes(layout_) / 4 + 1, stale) {
    if (stale == 0.0f) {
      EXPECT_EQ(backend.kv_clear(layout, memory.data(), nullptr), Status::ok);
    }
  }
  void store(ConstView k, ConstView v, std::int64_t slot) {
    kernels::KvStoreArgs args{
        .layout = layout, .cache = memory.data(), .k = k, .v = v, .slot = slot};
    EXPECT_EQ(backend.kv_store(args, nullptr), Status::ok);
  }
};

struct Problem {
  std::int64_t tokens, valid, heads, head_dim;
  ElementType type;
  float last_key_bias = 0.0f;
  float deviation = 1.0f;

  float scale() const { return 1.0f / std::sqrt(static_cast<float>(head_dim)); }
  KvLayout layout() const { return {heads, head_dim, valid + 3, type}; }
  Heads q() const { return {type, tokens, heads, head_dim, 31, deviation, 2, 3}; }
  Heads k() const { return {type, valid, heads, head_dim, 32, 1.0f, 1, 2}; }
  Heads v() const { return {type, valid, heads, head_dim, 33, 1.0f, 0, 5}; }
};

Status attend(const kernels::Kernels& backend, const Problem& problem, const KvLayout& layout,
              const void* cache, ConstView q, View y) {
  kernels::AttentionArgs args{.layout = layout,
                              .cache = cache,
                              .valid = problem.valid,
                              .scale = problem.scale(),
                              .last_key_bias = problem.last_key_bias,
                              .q = q,
                              .y = y};
  return backend.attention(args, nullptr);
}

/// The whole problem in one call; y is contiguous.
Heads run(const kernels::Kernels& backend, const Problem& problem, ElementType y_type,
          float stale = 0.0f) {
  Heads q = problem.q(), k = problem.k(), v = problem.v();
  Heads y(y_type, problem.tokens, problem.heads, problem.head_dim, 34);
  Cache cache(backend, problem.layout(), stale);
  cache.store(k.all(), v.all(), 0);
  EXPECT_EQ(attend(backend, problem, cache.layout, cache.memory.data(), q.all(), y.all()),
            Status::ok);
  return y;
}

double distance_from_oracle(const Heads& y, const Problem& problem) {
  const Heads q = problem.q(), k = problem.k(), v = problem.v();
  std::vector<double> got, oracle;
  for (std::int64_t token = 0; token < problem.tokens; ++token) {
    for (std::int64_t head = 0; head < problem.heads; ++head) {
      std::vector<double> query;
      for (std::int64_t i = 0; i < problem.head_dim; ++i) {
        query.push_back(static_cast<double>(q.at(token, head, i)));
        got.push_back(static_cast<double>(y.at(token, head, i)));
      }
      const auto element = [&](const Heads& of) {
        return [&of, head](std::size_t j, std::size_t i) {
          return static_cast<double>(
              of.at(static_cast<std::int64_t>(j), head, static_cast<std::int64_t>(i)));
        };
      };
      const auto last = index(problem.valid - 1);
      const auto row = attention_oracle(
          query, index(problem.valid), element(k), element(v),
          [&](std::size_t j) {
            return j == last ? static_cast<double>(problem.last_key_bias) : 0.0;
          },
          static_cast<double>(problem.scale()));
      oracle.insert(oracle.end(), row.begin(), row.end());
    }
  }
  return relative_l2(got, oracle);
}

double allowed(ElementType type) { return type == ElementType::f32 ? 1e-6 : 5e-3; }

class Attention : public OnBackend {
 protected:
  void TearDown() override {
    omp_set_num_threads(threads_before_);
    OnBackend::TearDown();
  }

 private:
  int threads_before_ = omp_get_max_threads();
};
CAUSEWAY_ON_EVERY_BACKEND(Attention);

TEST_P(Attention, MatchesFloat64ForAllHeadSizes) {
  for (const ElementType type : types) {
    for (const std::int64_t head_dim : {2, 6, 16, 32, 64, 80, 96, 128, 130, 384}) {
      const Problem problem{5, 67, 2, head_dim, type};
      for (const ElementType y_type : types) {
        const double limit = std::max(allowed(type), allowed(y_type));
        ASSERT_LT(distance_from_oracle(run(backend(), problem, y_type), problem), limit)
            << "head_dim " << head_dim;
      }
    }
  }
}

TEST_P(Attention, MatchesFloat64ForAnyNumberOfSlots) {
  for (const ElementType type : types) {
    for (const std::int64_t valid :
         {1, 2, 3, 7, 15, 16, 31, 63, 64, 65, 255, 256, 257, 511, 513, 769}) {
      for (const float bias : {0.0f, 2.5f}) {
        const Problem problem{7, valid, 1, 32, type, bias};
        ASSERT_LT(distance_from_oracle(run(backend(), problem, type), problem), allowed(type))
            << valid << " slots, last bias " << bias;
      }
    }
  }
}

TEST_P(Attention, MatchesFloat64WhereFewKeysTakeAll) {
  // Queries of this size make scores of ±60; the running maximum moves often.
  for (const ElementType type : types) {
    const Problem problem{13, 700, 1, 64, type, 0.0f, 16.0f};
    ASSERT_LT(distance_from_oracle(run(backend(), problem, type), problem),
              type == ElementType::f32 ? 1e-5 : 5e-3);
  }
}

TEST_P(Attention, AHeavyLastKeyStandsForManyEqualOnes) {
  // ln(100) on the last key weighs as 100 copies of it do.
  Problem folded{3, 21, 1, 16, ElementType::f32, std::log(100.0f)};
  Heads q = folded.q(), k = folded.k(), v = folded.v();
  const Heads y = run(backend(), folded, ElementType::f32);
  Problem unfolded = folded;
  unfolded.valid = 120;
  unfolded.last_key_bias = 0.0f;
  Cache cache(backend(), unfolded.layout());
  cache.store(k.all(), v.all(), 0);
  for (std::int64_t slot = 21; slot < 120; ++slot) {
    cache.store(k.part(20, 21, 0, 1), v.part(20, 21, 0, 1), slot);
  }
  Heads whole(ElementType::f32, 3, 1, 16, 34);
  ASSERT_EQ(attend(backend(), unfolded, cache.layout, cache.memory.data(), q.all(), whole.all()),
            Status::ok);
  EXPECT_LT(relative_l2(y.numbers, whole.numbers), 1e-6);
}

TEST_P(Attention, SlotsBeyondTheValidOnesDoNotMatter) {
  for (const ElementType type : types) {
    for (const std::int64_t valid : {1, 5, 64, 101, 257}) {
      const Problem problem{4, valid, 2, 32, type};
      const Heads clean = run(backend(), problem, type);
      // 1e30 in f32; as two bf16 words it is large and finite too.
      EXPECT_EQ(run(backend(), problem, type, 1e30f).numbers, clean.numbers) << valid << " slots";
    }
  }
}

/// Attends part by part; the first part has one token fewer than the others, so that tokens change
/// places.
void expect_same_in_parts(const kernels::Kernels& backend, const Problem& problem,
                          const std::vector<std::int64_t>& parts) {
  const Heads whole = run(backend, problem, problem.type);
  Heads q = problem.q(), k = problem.k(), v = problem.v();
  Cache cache(backend, problem.layout());
  cache.store(k.all(), v.all(), 0);
  for (const std::int64_t part : parts) {
    Heads y(problem.type, problem.tokens, problem.heads, problem.head_dim, 34);
    for (std::int64_t begin = 0, end = part - 1; begin < problem.tokens;
         begin = end, end = std::min(end + part, problem.tokens)) {
      ASSERT_EQ(attend(backend, problem, cache.layout, cache.memory.data(),
                       q.part(begin, end, 0, 2), y.part(begin, end, 0, 2)),
                Status::ok);
    }
    ASSERT_EQ(y.numbers, whole.numbers) << "in parts of " << part << " tokens";
  }
}

TEST_P(Attention, TokensMayBeSplitAnywhere) {
  for (const ElementType type : types) {
    expect_same_in_parts(
        backend(), {67, 300, 2, 80, type},
        all_or<std::int64_t>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, {5, 11}));
    expect_same_in_parts(backend(), {500, 70, 2, 32, type},
                         all_or<std::int64_t>({127, 241, 499}, {241}));
  }
}

TEST_P(Attention, HeadsMayBeSplitAnywhere) {
  for (const ElementType type : types) {
    const Problem problem{11, 130, 3, 32, type};
    const Heads whole = run(backend(), problem, type);
    Heads q = problem.q(), k = problem.k(), v = problem.v();
    Heads y(type, problem.tokens, problem.heads, problem.head_dim, 34);
    for (const auto& [first, count] : {std::pair<std::int64_t, std::int64_t>{0, 1}, {1, 2}}) {
      KvLayout layout = problem.layout();
      layout.heads = count;
      layout.capacity += 300;  // nor does the capacity matter
      Cache cache(backend(), layout);
      cache.store(k.part(0, problem.valid, first, count), v.part(0, problem.valid, first, count),
                  0);
      ASSERT_EQ(
          attend(backend(), problem, layout, cache.memory.data(),
                 q.part(0, problem.tokens, first, count), y.part(0, problem.tokens, first, count)),
          Status::ok);
    }
    EXPECT_EQ(y.numbers, whole.numbers);
  }
}

TEST_P(Attention, AnyNumberOfThreadsGivesTheSameBits) {
  if (!is_cpu()) return skip("OpenMP's threads are the CPU's");
  for (const ElementType type : types) {
    const Problem problem{500, 140, 3, 64, type};
    omp_set_num_threads(1);
    const Heads one = run(backend(), problem, type);
    for (const int threads : {2, 3}) {
      omp_set_num_threads(threads);
      EXPECT_EQ(run(backend(), problem, type).numbers, one.numbers)
          << "on " << threads << " threads";
    }
  }
}

TEST_P(Attention, TheCacheReturnsWhatWasStoredAtAnySlot) {
  for (const ElementType type : types) {
    for (const std::int64_t head_dim : {2, 30, 80, 128}) {
      const KvLayout layout{2, head_dim, 400, type};
      Heads k(type, 400, 2, head_dim, 41, 1.0f, 1, 1), v(type, 400, 2, head_dim, 42, 1.0f, 2, 0);
      Cache cache(backend(), layout);
      // Pieces that begin and end at odd slots, out of order.
      for (const auto& [begin, end] :
           {std::pair<std::int64_t, std::int64_t>{101, 400}, {0, 1}, {1, 4}, {4, 63}, {63, 101}}) {
        cache.store(k.part(begin, end, 0, 2), v.part(begin, end, 0, 2), begin);
      }
      Heads k_back(ElementType::f32, 300, 2, head_dim, 43, 1.0f, 3, 0);
      Heads v_back(ElementType::f32, 300, 2, head_dim, 44);
      kernels::KvLoadArgs args{.layout = layout,
                               .cache = cache.memory.data(),
                               .slot = 57,
                               .k = k_back.all(),
                               .v = v_back.all()};
      ASSERT_EQ(backend().kv_load(args, nullptr), Status::ok);
      for (std::int64_t token = 0; token < 300; ++token) {
        for (std::int64_t head = 0; head < 2; ++head) {
          for (std::int64_t i = 0; i < head_dim; ++i) {
            ASSERT_EQ(k_back.at(token, head, i), k.at(token + 57, head, i));
            ASSERT_EQ(v_back.at(token, head, i), v.at(token + 57, head, i));
          }
        }
      }
    }
  }
}

TEST_P(Attention, OverwritingSlotsLeavesTheOthersAlone) {
  for (const ElementType type : types) {
    const KvLayout layout{1, 16, 200, type};
    Heads old(type, 200, 1, 16, 45), fresh(type, 200, 1, 16, 46);
    Cache once(backend(), layout), twice(backend(), layout);
    twice.store(old.all(), old.all(), 0);
    twice.store(fresh.part(33, 78, 0, 1), fresh.part(33, 78, 0, 1), 33);
    once.store(old.part(0, 33, 0, 1), old.part(0, 33, 0, 1), 0);
    once.store(fresh.part(33, 78, 0, 1), fresh.part(33, 78, 0, 1), 33);
    once.store(old.part(78, 200, 0, 1), old.part(78, 200, 0, 1), 78);
    EXPECT_EQ(once.memory, twice.memory);
    ASSERT_EQ(backend().kv_clear(layout, twice.memory.data(), nullptr), Status::ok);
    EXPECT_EQ(Cache(backend(), layout).memory, twice.memory);
  }
}

TEST_P(Attention, NotANumberStaysInItsRowAndIsSeen) {
  for (const ElementType type : types) {
    const Problem problem{7, 300, 1, 16, type};
    Heads q = problem.q(), k = problem.k(), v = problem.v();
    q.numbers.set(index(3 * q.token_stride() + 5), std::numeric_limits<float>::quiet_NaN());
    Heads y(ElementType::f32, 7, 1, 16, 34);
    Cache cache(backend(), problem.layout());
    cache.store(k.all(), v.all(), 0);
    ASSERT_EQ(attend(backend(), problem, cache.layout, cache.memory.data(), q.all(), y.all()),
              Status::ok);
    for (std::int64_t token = 0; token < 7; ++token) {
      EXPECT_EQ(std::isnan(y.at(token, 0, 9)), token == 3) << "token " << token;
    }
  }
}

TEST_P(Attention, ANotANumberKeyIsSeenByEveryQuery) {
  for (const ElementType type : types) {
    const Problem problem{7, 300, 1, 16, type};
    Heads q = problem.q(), k = problem.k(), v = problem.v();
    k.numbers.set(index(280 * k.token_stride() + 2), std::numeric_limits<float>::quiet_NaN());
    Heads y(ElementType::f32, 7, 1, 16, 34);
    Cache cache(backend(), problem.layout());
    cache.store(k.all(), v.all(), 0);
    ASSERT_EQ(attend(backend(), problem, cache.layout, cache.memory.data(), q.all(), y.all()),
              Status::ok);
    for (std::int64_t token = 0; token < 7; ++token) EXPECT_TRUE(std::isnan(y.at(token, 0, 9)));
  }
}

TEST_P(Attention, RefusesWhatItCannotDo) {
  const Problem problem{2, 8, 1, 16, ElementType::f32};
  Heads q = problem.q(), y(ElementType::f32, 2, 1, 16, 34), wrong(ElementType::bf16, 2, 1, 16, 34);
  Cache cache(backend(), problem.layout());
  const void* memory = cache.memory.data();
  EXPECT_EQ(attend(backend(), problem, cache.layout, memory, q.all(), y.all()), Status::ok);
  EXPECT_EQ(attend(backend(), problem, cache.layout, memory, wrong.all(), y.all()),
            Status::unsupported_type);
  Problem bad = problem;
  bad.valid = 0;
  EXPECT_EQ(attend(backend(), bad, cache.layout, memory, q.all(), y.all()), Status::bad_shape);
  bad.valid = cache.layout.capacity + 1;
  EXPECT_EQ(attend(backend(), bad, cache.layout, memory, q.all(), y.all()), Status::bad_shape);
  kernels::KvStoreArgs beyond{.layout = cache.layout,
                              .cache = cache.memory.data(),
                              .k = q.all(),
                              .v = q.all(),
                              .slot = cache.layout.capacity - 1};
  EXPECT_EQ(backend().kv_store(beyond, nullptr), Status::bad_shape);
  KvLayout odd = cache.layout;
  odd.type = ElementType::bf16;
  odd.head_dim = 15;
  EXPECT_EQ(backend().kv_clear(odd, cache.memory.data(), nullptr), Status::bad_shape);
}

}  // namespace
}  // namespace causeway::testing
