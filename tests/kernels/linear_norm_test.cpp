// Linear layers that add to a sum, with the norm of that sum, on every backend.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/linear_layers.hpp"
#include "support/norm_oracles.hpp"

namespace causeway::testing {
namespace {

constexpr float eps = 1e-6f;

/// A layer that adds to its y, the norm of that, and where it goes to.
struct WithNorm {
  Prepared linear;
  ElementType type;
  bool one_plus_scale;
  std::int64_t gap;  ///< after each row of the norm
  std::vector<float> scale = random_normal(index(linear.layer.n), 21);
  std::vector<float> shift = random_normal(index(linear.layer.n), 22);
  Numbers norm{type, index(linear.layer.rows*(linear.layer.n + gap)), 7.0f};

  kernels::LayerNormArgs norm_arguments() {
    const Layer& layer = linear.layer;
    return {linear.y.rows(layer.rows, layer.n, layer.y_stride()),
            scale.data(),
            shift.data(),
            one_plus_scale,
            eps,
            norm.rows(layer.rows, layer.n, layer.n + gap)};
  }
  Status run() {
    return linear.backend.linear_norm(linear.arguments(0, linear.layer.rows), norm_arguments(),
                                      nullptr);
  }
};

/// The norm that was written is that of the sum that was written.
void expect_norm_of_sum(WithNorm& made) {
  const Layer& layer = made.linear.layer;
  auto factors = std::vector<double>(made.scale.begin(), made.scale.end());
  if (made.one_plus_scale) {
    for (double& factor : factors) factor += 1.0;
  }
  for (std::int64_t row = 0; row < layer.rows; ++row) {
    std::vector<double> x;
    double largest = 0;
    for (std::int64_t i = 0; i < layer.n; ++i) {
      x.push_back(static_cast<double>(made.linear.y[index(row * layer.y_stride() + i)]));
      largest = std::max(largest, std::abs(x.back()));
    }
    const double mean = std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(layer.n);
    double variance = 0;
    for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(layer.n);
    const auto exact = layer_norm_oracle(x, factors, {made.shift.begin(), made.shift.end()},
                                         static_cast<double>(eps));
    for (std::int64_t i = 0; i < layer.n + made.gap; ++i) {
      const double got = static_cast<double>(made.norm[index(row * (layer.n + made.gap) + i)]);
      if (i >= layer.n) {
        ASSERT_EQ(got, 7.0) << "the gap after row " << row << " was written";
        continue;
      }
      // What x − mean loses weighs as much more as the deviation is small.
      const double lost = 0x1p-21 * largest / std::sqrt(variance + static_cast<double>(eps));
      const double allowed = allowed_error(made.type, exact[index(i)], 16) +
                             (lost + 0x1p-20) * (std::abs(factors[index(i)]) + 1.0);
      ASSERT_NEAR(got, exact[index(i)], allowed)
          << "row " << row << ", column " << i << " of " << layer.rows << "x" << layer.n;
    }
  }
}

class LinearNorm : public OnBackend {
 protected:
  void expect_sound(const Layer& layer, ElementType type, bool one_plus_scale, std::int64_t gap) {
    WithNorm made{{backend(), layer}, type, one_plus_scale, gap};
    ASSERT_EQ(made.run(), Status::ok);
    expect_matches_oracle(made.linear.y, layer, !backend().deterministic);
    expect_norm_of_sum(made);
    // One after the other they give the same bits: the norm always, the sum unless a library adds.
    WithNorm other{{backend(), layer}, type, one_plus_scale, gap};
    if (backend().deterministic) {
      other.linear.run(0, layer.rows);
      ASSERT_EQ(other.linear.y, made.linear.y);
    } else {
      other.linear.y = made.linear.y;
    }
    ASSERT_EQ(backend().layer_norm(other.norm_arguments(), nullptr), Status::ok);
    ASSERT_EQ(other.norm, made.norm) << layer.rows << "x" << layer.n;
  }
};
CAUSEWAY_ON_EVERY_BACKEND_AND_LIBRARIES(LinearNorm);

TEST_P(LinearNorm, IsTheSumAndTheNormOfIt) {
  for (const ElementType compute : compute_types) {
    for (const ElementType type : compute_types) {
      for (const bool with_gate : {false, true}) {
        for (const bool with_bias : {false, true}) {
          for (const std::int64_t gap : {0, 3, 4}) {
            const Layer layer{.rows = 9,
                              .n = 132,
                              .k = 40,
                              .y_gap = gap,
                              .compute = compute,
                              .with_bias = with_bias,
                              .accumulate = true,
                              .with_gate = with_gate};
            expect_sound(layer, type, with_bias, 2 * gap);
          }
        }
      }
    }
  }
}

TEST_P(LinearNorm, HoldsForAllSizes) {
  for (const ElementType compute : compute_types) {
    for (const std::int64_t rows : {1, 2, 13}) {
      for (const auto& [n, k] :
           {std::pair{1, 1}, {2, 3}, {4, 8}, {127, 33}, {192, 64}, {1538, 9}}) {
        const Layer layer{.rows = rows,
                          .n = n,
                          .k = k,
                          .x_gap = rows % 4,
                          .compute = compute,
                          .accumulate = true,
                          .with_gate = true};
        expect_sound(layer, compute, true, 0);
      }
    }
  }
}

TEST_P(LinearNorm, BitsDoNotDependOnTheAddressesOfParameters) {
  const Layer layer{.rows = 3,
                    .n = 136,
                    .k = 16,
                    .compute = ElementType::bf16,
                    .accumulate = true,
                    .with_gate = true};
  WithNorm aligned{{backend(), layer}, ElementType::bf16, true, 0};
  ASSERT_EQ(aligned.run(), Status::ok);
  for (const int which : {0, 1, 2, 3}) {
    WithNorm moved{{backend(), layer}, ElementType::bf16, true, 0};
    auto sum = moved.linear.arguments(0, layer.rows);
    auto norm = moved.norm_arguments();
    const float** pointers[] = {&sum.bias, &sum.gate, &norm.scale, &norm.shift};
    std::vector<float> odd(*pointers[which], *pointers[which] + layer.n);
    odd.insert(odd.begin(), 0.0f);
    *pointers[which] = odd.data() + 1;
    ASSERT_EQ(backend().linear_norm(sum, norm, nullptr), Status::ok);
    EXPECT_EQ(moved.linear.y, aligned.linear.y) << which;
    EXPECT_EQ(moved.norm, aligned.norm) << which;
  }
}

TEST_P(LinearNorm, NoRowsAreNoWork) {
  const Layer layer{.rows = 0, .n = 8, .k = 4, .accumulate = true, .with_gate = true};
  WithNorm made{{backend(), layer}, ElementType::f32, true, 0};
  EXPECT_EQ(made.run(), Status::ok);
}

TEST_P(LinearNorm, RefusesWhatIsNotASumAndItsNorm) {
  const Layer layer{.rows = 2, .n = 3, .k = 3, .accumulate = true, .with_gate = true};
  WithNorm made{{backend(), layer}, ElementType::f32, true, 0};
  const auto status = [&](auto change) {
    auto sum = made.linear.arguments(0, layer.rows);
    auto norm = made.norm_arguments();
    change(sum, norm);
    return backend().linear_norm(sum, norm, nullptr);
  };
  EXPECT_EQ(status([](auto&, auto&) {}), Status::ok);
  Numbers other(ElementType::f32, 6);
  EXPECT_EQ(status([&](auto&, auto& norm) { norm.x = other.view({2, 3}); }), Status::bad_shape);
  EXPECT_EQ(status([](auto&, auto& norm) { norm.x.shape[0] = 1; }), Status::bad_shape);
  EXPECT_EQ(status([](auto&, auto& norm) { norm.x.stride[0] = 4; }), Status::bad_shape);
  EXPECT_EQ(status([](auto& sum, auto&) { sum.accumulate = false; }), Status::bad_shape);
  EXPECT_EQ(status([](auto& sum, auto&) { sum.activation = Activation::silu; }), Status::bad_shape);
  EXPECT_EQ(status([](auto& sum, auto& norm) { norm.y.data = const_cast<void*>(sum.x.data); }),
            Status::bad_shape);
  EXPECT_EQ(status([](auto&, auto& norm) { norm.y.shape[1] = 2; }), Status::bad_shape);
  EXPECT_EQ(status([](auto&, auto& norm) { norm.scale = nullptr; }), Status::bad_shape);
}

/// What a second call does, when the algorithm of its product has been found.
struct Work {
  int products = 0;
  std::int64_t launches = 0, vector_bytes = 0;
  bool operator==(const Work&) const = default;
};
Work work_of(WithNorm made) {
  EXPECT_EQ(made.run(), Status::ok);
  const auto so_far = [] {
    const CudaOnHostWork work = cuda_on_host_work();
    int products = 0;
    for (const int algorithm : {algorithm_that_fails, slow_algorithm, fast_algorithm}) {
      products += cublaslt_on_host_runs(algorithm);
    }
    return Work{products, work.launches, work.vector_bytes};
  };
  const Work before = so_far();
  EXPECT_EQ(made.run(), Status::ok);
  const Work after = so_far();
  return {after.products - before.products, after.launches - before.launches,
          after.vector_bytes - before.vector_bytes};
}

TEST(LinearNormByLibrary, IsOneProductAndOneKernel) {
  const kernels::Kernels* backend = libraries_on_host_kernels();
  if (backend == nullptr) GTEST_SKIP() << "fibres cannot be used";
  Layer layer{.rows = 10,
              .n = 64,
              .k = 32,
              .compute = ElementType::bf16,
              .accumulate = true,
              .with_gate = true};
  const std::int64_t columns = layer.rows * layer.n;
  const auto bf16 = [&] { return WithNorm{{*backend, layer}, ElementType::bf16, true, 0}; };
  // Update, bias and gate in, the sum in and out; the sum in twice, scale and shift in, norm out.
  EXPECT_EQ(work_of(bf16()), (Work{1, 1, columns * (2 + 4 + 4 + 4 + 4 + 2 * 4 + 4 + 4 + 2)}));
  layer.with_bias = false;
  EXPECT_EQ(work_of(bf16()), (Work{1, 1, columns * (2 + 4 + 4 + 4 + 2 * 4 + 4 + 4 + 2)}));
  // The product adds by itself, and the norm reads its sum three times.
  layer.with_gate = false;
  EXPECT_EQ(work_of(bf16()), (Work{1, 1, columns * (3 * 4 + 4 + 4 + 2)}));
  // A norm in f32 has no room for a product in bf16.
  layer.with_gate = true;
  const Work plain = work_of({{*backend, layer}, ElementType::f32, true, 0});
  EXPECT_EQ(plain, (Work{0, 2, columns * (3 * 4 + 4 + 4 + 4)}));
}

}  // namespace
}  // namespace causeway::testing
