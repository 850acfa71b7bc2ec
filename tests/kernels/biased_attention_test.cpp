// T5's attention against float64, on every backend.
#include <gtest/gtest.h>
#include <omp.h>

#include <vector>

#include "support/attention_oracle.hpp"
#include "support/compare.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {
namespace {

using kernels::Status;

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

/// q, k and v of some tokens, side by side in each token's row, and the bias by distance.
struct Block {
  std::int64_t tokens, heads, head_dim;
  ElementType type = ElementType::f32;
  Numbers qkv;
  std::vector<float> bias;

  Block(std::int64_t tokens_, std::int64_t heads_, std::int64_t head_dim_, ElementType type_)
      : tokens(tokens_),
        heads(heads_),
        head_dim(head_dim_),
        type(type_),
        qkv(type_, random_normal(index(tokens_ * stride(heads_, head_dim_)), 21)),
        bias(random_normal(index(heads_ * (2 * tokens_ - 1)), 22)) {}

  static std::int64_t stride(std::int64_t heads, std::int64_t head_dim) {
    return 3 * heads * head_dim + 1;
  }
  View part(std::int64_t which) {
    View view = qkv.view({tokens, heads, head_dim});
    view.stride = {stride(heads, head_dim), head_dim, 1};
    view.data = qkv.data() + index(which * heads * head_dim) * bytes_of(type);
    return view;
  }
  double at(std::int64_t which, std::int64_t token, std::int64_t head, std::int64_t i) const {
    return static_cast<double>(
        qkv[index(token * stride(heads, head_dim) + (which * heads + head) * head_dim + i)]);
  }
};

Numbers run(const kernels::Kernels& backend, Block& block, ElementType y_type) {
  Numbers y(y_type, index(block.tokens * block.heads * block.head_dim));
  kernels::BiasedAttentionArgs args{.q = block.part(0),
                                    .k = block.part(1),
                                    .v = block.part(2),
                                    .relative_bias = block.bias.data(),
                                    .y = y.view({block.tokens, block.heads, block.head_dim})};
  EXPECT_EQ(backend.biased_attention(args, nullptr), Status::ok);
  return y;
}

class BiasedAttention : public OnBackend {};
CAUSEWAY_ON_EVERY_BACKEND(BiasedAttention);

TEST_P(BiasedAttention, MatchesFloat64) {
  struct Size {
    std::int64_t tokens, heads, head_dim;
  };
  for (const ElementType type : {ElementType::f32, ElementType::bf16}) {
    for (const Size size : {Size{1, 1, 1},
                            {2, 3, 5},
                            {7, 2, 64},
                            {63, 1, 16},
                            {64, 1, 17},
                            {65, 2, 33},
                            {130, 1, 64}}) {
      Block block(size.tokens, size.heads, size.head_dim, type);
      const Numbers y = run(backend(), block, type);
      std::vector<double> oracle;
      for (std::int64_t token = 0; token < size.tokens; ++token) {
        for (std::int64_t head = 0; head < size.heads; ++head) {
          std::vector<double> q;
          for (std::int64_t i = 0; i < size.head_dim; ++i) q.push_back(block.at(0, token, head, i));
          const auto row = attention_oracle(
              q, index(size.tokens),
              [&](std::size_t j, std::size_t i) {
                return block.at(1, static_cast<std::int64_t>(j), head,
                                static_cast<std::int64_t>(i));
              },
              [&](std::size_t j, std::size_t i) {
                return block.at(2, static_cast<std::int64_t>(j), head,
                                static_cast<std::int64_t>(i));
              },
              [&](std::size_t j) {
                const auto key = static_cast<std::int64_t>(j);
                return static_cast<double>(
                    block
                        .bias[index(head * (2 * size.tokens - 1) + key - token + size.tokens - 1)]);
              },
              1.0);
          oracle.insert(oracle.end(), row.begin(), row.end());
        }
      }
      ASSERT_LT(relative_l2(y, oracle), type == ElementType::f32 ? 2e-6 : 3e-3)
          << size.tokens << " tokens, " << size.heads << " heads of " << size.head_dim;
    }
  }
}

TEST_P(BiasedAttention, AnyNumberOfThreadsGivesTheSameBits) {
  Block block(200, 3, 32, ElementType::f32);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const Numbers one = run(backend(), block, ElementType::f32);
  omp_set_num_threads(3);
  EXPECT_EQ(run(backend(), block, ElementType::f32), one);
  omp_set_num_threads(before);
}

TEST_P(BiasedAttention, RefusesWhatItCannotDo) {
  Block block(4, 1, 8, ElementType::f32);
  Numbers y(ElementType::f32, 32), other(ElementType::f16, 32);
  kernels::BiasedAttentionArgs args{.q = block.part(0),
                                    .k = block.part(1),
                                    .v = block.part(2),
                                    .relative_bias = block.bias.data(),
                                    .y = y.view({4, 8, 1})};
  EXPECT_EQ(backend().biased_attention(args, nullptr), Status::bad_shape);
  args.y = other.view({4, 1, 8});
  EXPECT_EQ(backend().biased_attention(args, nullptr), Status::unsupported_type);
}

}  // namespace
}  // namespace causeway::testing
