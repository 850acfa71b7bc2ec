// Matrix products against float64, and bit for bit against themselves, on every backend.
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/linear_layers.hpp"

namespace causeway::testing {
namespace {

class Linear : public OnBackend {
 protected:
  void TearDown() override {
    omp_set_num_threads(threads_before_);
    OnBackend::TearDown();
  }

 private:
  int threads_before_ = omp_get_max_threads();
};
CAUSEWAY_ON_EVERY_BACKEND_AND_LIBRARIES(Linear);

TEST_P(Linear, MatchesFloat64ForAllSizesAndStrides) {
  for (const ElementType compute : compute_types) {
    for (const std::int64_t rows : {1, 2, 5, 6, 7, 13, 121}) {
      for (const auto& [n, k] :
           {std::pair{1, 1}, {3, 2}, {64, 33}, {65, 64}, {130, 31}, {17, 200}}) {
        const Layer layer{
            .rows = rows, .n = n, .k = k, .x_gap = rows % 4, .y_gap = rows % 3, .compute = compute};
        expect_matches_oracle(run(backend(), layer), layer, !backend().deterministic);
      }
    }
  }
}

TEST_P(Linear, MatchesFloat64AcrossBlocksOfK) {
  for (const ElementType compute : compute_types) {
    for (const std::int64_t k : {767, 769, 1537, 3073}) {
      const Layer layer{.rows = 7, .n = 66, .k = k, .compute = compute};
      expect_matches_oracle(run(backend(), layer), layer, !backend().deterministic);
    }
  }
}

TEST_P(Linear, EpiloguesMatchFloat64) {
  for (const ElementType compute : compute_types) {
    for (const ElementType y_type : compute_types) {
      for (const Activation activation :
           {Activation::none, Activation::gelu_tanh, Activation::silu}) {
        for (const bool with_bias : {false, true}) {
          const Layer layer{.rows = 9,
                            .n = 70,
                            .k = 40,
                            .y_gap = 3,
                            .compute = compute,
                            .y_type = y_type,
                            .with_bias = with_bias,
                            .activation = activation};
          expect_matches_oracle(run(backend(), layer), layer, !backend().deterministic);
        }
      }
    }
  }
}

TEST_P(Linear, AccumulatesWithAndWithoutAGate) {
  for (const ElementType compute : compute_types) {
    for (const bool with_gate : {false, true}) {
      for (const Activation activation : {Activation::none, Activation::silu}) {
        const Layer layer{.rows = 8,
                          .n = 67,
                          .k = 48,
                          .y_gap = 2,
                          .compute = compute,
                          .activation = activation,
                          .accumulate = true,
                          .with_gate = with_gate};
        expect_matches_oracle(run(backend(), layer), layer, !backend().deterministic);
      }
    }
  }
}

TEST_P(Linear, ActivationsAreAccurateFromFarLeftToFarRight) {
  // x is the bias, as the product is with zeros.
  std::vector<float> points;
  for (float x = -30.0f; x <= 30.0f; x += 0.0371f) points.push_back(x);
  for (const float x : {-1e30f, -300.0f, 0.0f, 1e-20f, 300.0f, 1e30f}) points.push_back(x);
  const auto n = static_cast<std::int64_t>(points.size());
  std::vector<std::byte> packed(backend().linear_packed_bytes(n, 1, ElementType::f32));
  for (const Activation activation : {Activation::gelu_tanh, Activation::silu}) {
    Numbers x(ElementType::f32, 1), y(ElementType::f32, points.size());
    kernels::LinearArgs args{.x = x.view({1, 1}),
                             .weight = packed.data(),
                             .n = n,
                             .k = 1,
                             .bias = points.data(),
                             .activation = activation,
                             .y = y.view({1, n})};
    ASSERT_EQ(backend().linear(args, nullptr), Status::ok);
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double at = static_cast<double>(points[i]);
      const double exact = activation_oracle(activation, at);
      // Far left the result is e to the argument, which carries the rounding of that argument. The
      // oracle's own 1 + tanh is worth 1e-16.
      const double argument = activation == Activation::gelu_tanh
                                  ? 2.0 * std::sqrt(2.0 / M_PI) * (at + 0.044715 * at * at * at)
                                  : at;
      const double relative = 5e-7 + 4e-7 * std::clamp(-argument, 0.0, 100.0);
      const double oracle_loss = at > -100.0 ? 2e-16 * std::abs(at) : 0.0;
      ASSERT_NEAR(static_cast<double>(y[i]), exact,
                  relative * std::abs(exact) + oracle_loss + 1e-34)
          << "at " << at;
    }
  }
}

TEST_P(Linear, ReadsEveryStoredType) {
  for (const ElementType compute : compute_types) {
    for (const ElementType stored : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
      const Layer layer{.rows = 4, .n = 65, .k = 77, .compute = compute, .stored = stored};
      expect_matches_oracle(run(backend(), layer), layer, !backend().deterministic);
    }
  }
}

TEST_P(Linear, StoredWeightsGiveTheSameBitsAsPackedOnes) {
  if (!backend().deterministic) return skip("a library has its own order of sums");
  for (const ElementType compute : compute_types) {
    for (const ElementType stored : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
      // 520 outputs are three panels of the CUDA backend, the last one short.
      for (const auto& [n, k] : {std::pair{1, 1}, {64, 64}, {131, 77}, {200, 1601}, {520, 40}}) {
        const Layer layer{.rows = 125,
                          .n = n,
                          .k = k,
                          .x_gap = 1,
                          .y_gap = 2,
                          .compute = compute,
                          .stored = stored,
                          .y_type = compute,
                          .activation = Activation::gelu_tanh};
        for (const int threads : all_or<int>({1, 3}, {1})) {
          omp_set_num_threads(threads);
          ASSERT_EQ(run_stored(backend(), layer), run(backend(), layer))
              << n << "x" << k << " on " << threads << " threads";
        }
      }
    }
  }
}

TEST_P(Linear, ARowHasTheSameBitsInAnyCompany) {
  if (!backend().deterministic) return skip("a library has its own order of sums");
  for (const ElementType compute : compute_types) {
    const Layer layer{
        .rows = 131, .n = 70, .k = 1601, .compute = compute, .activation = Activation::gelu_tanh};
    const Numbers whole = run(backend(), layer);
    Prepared prepared(backend(), layer);
    for (const std::int64_t part :
         all_or<std::int64_t>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 127}, {29, 127})) {
      prepared.y = layer.before();
      // The first call has one row fewer than the others, so that rows change places in their
      // tiles.
      for (std::int64_t begin = 0, end = part - 1; begin < layer.rows;
           begin = end, end = std::min(end + part, layer.rows)) {
        prepared.run(begin, end);
      }
      ASSERT_EQ(prepared.y, whole) << "in parts of " << part << " rows";
    }
  }
}

TEST_P(Linear, AnyNumberOfThreadsGivesTheSameBits) {
  if (!is_cpu()) return skip("OpenMP's threads are the CPU's");
  for (const ElementType compute : compute_types) {
    const Layer layer{.rows = 250,
                      .n = 333,
                      .k = 130,
                      .compute = compute,
                      .y_type = compute,
                      .activation = Activation::silu};
    omp_set_num_threads(1);
    const Numbers one = run(backend(), layer);
    for (const int threads : {2, 3}) {
      omp_set_num_threads(threads);
      ASSERT_EQ(run(backend(), layer), one) << "on " << threads << " threads";
    }
  }
}

TEST_P(Linear, DoesNotReadBeyondTheEndOfARow) {
  // NaN lies in every gap; one that is read shows in the result.
  for (const ElementType compute : compute_types) {
    const Layer layer{.rows = 7, .n = 3, .k = 31, .x_gap = 1, .compute = compute};
    Numbers x = layer.x(), weight = layer.weight(), y = layer.before();
    for (std::int64_t row = 0; row < layer.rows; ++row) {
      x.set(index(row * layer.x_stride() + layer.k), std::numeric_limits<float>::quiet_NaN());
    }
    std::vector<std::byte> packed(backend().linear_packed_bytes(layer.n, layer.k, compute));
    ASSERT_EQ(
        backend().linear_pack(weight.view({layer.n, layer.k}), compute, packed.data(), nullptr),
        Status::ok);
    kernels::LinearArgs args{.x = x.rows(layer.rows, layer.k, layer.x_stride()),
                             .weight = packed.data(),
                             .n = layer.n,
                             .k = layer.k,
                             .compute = compute,
                             .y = y.rows(layer.rows, layer.n, layer.n)};
    ASSERT_EQ(backend().linear(args, nullptr), Status::ok);
    for (std::size_t i = 0; i < y.size(); ++i) ASSERT_FALSE(std::isnan(y[i]));
  }
}

TEST_P(Linear, NotANumberStaysInItsRow) {
  for (const ElementType compute : compute_types) {
    for (const Activation activation :
         {Activation::none, Activation::gelu_tanh, Activation::silu}) {
      Numbers x(compute, std::vector<float>(9, 1.0f)),
          weight(ElementType::f32, std::vector<float>(3, 1.0f));
      x.set(4, std::numeric_limits<float>::quiet_NaN());
      std::vector<std::byte> packed(backend().linear_packed_bytes(1, 3, compute));
      ASSERT_EQ(backend().linear_pack(weight.view({1, 3}), compute, packed.data(), nullptr),
                Status::ok);
      Numbers y(compute, 3);
      kernels::LinearArgs args{.x = x.view({3, 3}),
                               .weight = packed.data(),
                               .n = 1,
                               .k = 3,
                               .compute = compute,
                               .activation = activation,
                               .y = y.view({3, 1})};
      ASSERT_EQ(backend().linear(args, nullptr), Status::ok);
      EXPECT_FALSE(std::isnan(y[0]));
      EXPECT_TRUE(std::isnan(y[1]));
      EXPECT_FALSE(std::isnan(y[2]));
    }
  }
}

TEST_P(Linear, NoRowsAreNoWork) {
  const Layer layer{.rows = 0, .n = 5, .k = 7};
  EXPECT_EQ(run(backend(), layer).size(), 0u);
  EXPECT_EQ(run_stored(backend(), layer).size(), 0u);
}

TEST_P(Linear, RefusesWhatItCannotDo) {
  Numbers x(ElementType::f32, 6), y(ElementType::f32, 6), half(ElementType::bf16, 6);
  std::vector<float> gate(3);
  std::vector<std::byte> packed(backend().linear_packed_bytes(3, 3, ElementType::f32));
  const kernels::LinearArgs good{
      .x = x.view({2, 3}), .weight = packed.data(), .n = 3, .k = 3, .y = y.view({2, 3})};
  EXPECT_EQ(backend().linear(good, nullptr), Status::ok);
  auto bad = good;
  bad.x = half.view({2, 3});
  EXPECT_EQ(backend().linear(bad, nullptr), Status::unsupported_type);
  bad = good;
  bad.accumulate = true;
  bad.y = half.view({2, 3});
  EXPECT_EQ(backend().linear(bad, nullptr), Status::unsupported_type);
  bad = good;
  bad.gate = gate.data();
  EXPECT_EQ(backend().linear(bad, nullptr), Status::bad_shape);
  bad = good;
  bad.y = y.view({3, 2});
  EXPECT_EQ(backend().linear(bad, nullptr), Status::bad_shape);
  EXPECT_EQ(backend().linear_pack(const_view_of(packed.data(), ElementType::u8, {3, 3}),
                                  ElementType::f32, packed.data(), nullptr),
            Status::unsupported_type);
}

}  // namespace
}  // namespace causeway::testing
