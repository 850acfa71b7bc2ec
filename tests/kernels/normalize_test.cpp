// The norms and the rotate-and-pack pass against float64, on every backend and element type.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "support/compare.hpp"
#include "support/norm_oracles.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {
namespace {

using kernels::Status;

constexpr ElementType types[] = {ElementType::f32, ElementType::bf16};
constexpr float untouched = -77.0f;

/// One element, sizes around every vector width, real widths and odd ones.
const std::vector<std::int64_t> widths = {1,  2,  3,  5,  15,  16,  17,  31,
                                          63, 64, 65, 96, 100, 130, 384, 1537};

/// Each with gaps after its rows that a vector fills, or not.
std::vector<std::pair<std::int64_t, std::int64_t>> widths_and_gaps() {
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
  for (const std::int64_t width : widths) {
    for (const std::int64_t gap : {3, 4}) pairs.emplace_back(width, gap);
  }
  return pairs;
}

std::vector<double> row_of(const Numbers& x, std::int64_t row, std::int64_t stride,
                           std::int64_t width) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < width; ++i) {
    values.push_back(static_cast<double>(x[static_cast<std::size_t>(row * stride + i)]));
  }
  return values;
}

std::vector<double> widened(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

/// Compares row `row` of y with the oracle, and sees that the gap after it was left alone. `scale`
/// is the size of the terms that an entry is made of.
void expect_row(const Numbers& y, std::int64_t row, std::int64_t stride,
                const std::vector<double>& oracle, double slack, double scale) {
  for (std::size_t i = 0; i < oracle.size(); ++i) {
    const double got = static_cast<double>(y[static_cast<std::size_t>(row * stride) + i]);
    ASSERT_NEAR(got, oracle[i], allowed_error(y.type(), oracle[i], slack) + scale * slack * 0x1p-24)
        << "row " << row << ", column " << i << " of " << oracle.size();
  }
  for (std::int64_t i = static_cast<std::int64_t>(oracle.size()); i < stride; ++i) {
    ASSERT_EQ(y[static_cast<std::size_t>(row * stride + i)], to_float(to_bfloat16(untouched)))
        << "the gap after row " << row << " was written";
  }
}

class Normalize : public OnBackend {};
CAUSEWAY_ON_EVERY_BACKEND(Normalize);

TEST_P(Normalize, LayerNormMatchesFloat64ForAllWidthsAndStrides) {
  for (const auto& [width, gap] : widths_and_gaps()) {
    const std::int64_t rows = 3, x_stride = width + gap, y_stride = width + 2 * gap;
    auto data = random_normal(static_cast<std::size_t>(rows * x_stride), 1);
    for (float& v : data) v = 3.0f * v + 10.0f;  // a mean far from zero
    const auto scale = random_normal(static_cast<std::size_t>(width), 2);
    const auto shift = random_normal(static_cast<std::size_t>(width), 3);
    Numbers x(ElementType::f32, data);
    for (const ElementType y_type : types) {
      for (const bool one_plus : {false, true}) {
        Numbers y(y_type, static_cast<std::size_t>(rows * y_stride), untouched);
        const Status status =
            backend().layer_norm({x.rows(rows, width, x_stride), scale.data(), shift.data(),
                                  one_plus, 1e-6f, y.rows(rows, width, y_stride)},
                                 nullptr);
        ASSERT_EQ(status, Status::ok);
        auto factors = widened(scale);
        for (double& f : factors) f += one_plus ? 1.0 : 0.0;
        for (std::int64_t r = 0; r < rows; ++r) {
          // The mean of 10 costs 10/3 in the digits of x − mean.
          expect_row(
              y, r, y_stride,
              layer_norm_oracle(row_of(x, r, x_stride, width), factors, widened(shift), 1e-6), 16,
              20);
        }
      }
    }
  }
}

TEST_P(Normalize, RmsNormMatchesFloat64ForAllWidthsAndStrides) {
  for (const auto& [width, gap] : widths_and_gaps()) {
    const std::int64_t rows = 3, x_stride = width + gap, y_stride = width + 2 * gap;
    Numbers x(ElementType::f32, random_normal(static_cast<std::size_t>(rows * x_stride), 4, 5.0f));
    const auto weight = random_normal(static_cast<std::size_t>(width), 5);
    for (const ElementType y_type : types) {
      Numbers y(y_type, static_cast<std::size_t>(rows * y_stride), untouched);
      ASSERT_EQ(backend().rms_norm({x.rows(rows, width, x_stride), weight.data(), 1e-6f,
                                    y.rows(rows, width, y_stride)},
                                   nullptr),
                Status::ok);
      for (std::int64_t r = 0; r < rows; ++r) {
        expect_row(y, r, y_stride,
                   rms_norm_oracle(row_of(x, r, x_stride, width), widened(weight), 1e-6), 8, 0);
      }
    }
  }
}

TEST_P(Normalize, GammaNormMatchesFloat64WithAndWithoutSilu) {
  for (const auto& [width, gap] : widths_and_gaps()) {
    const std::int64_t rows = 5, x_stride = width + gap, y_stride = width;
    const auto gamma = random_normal(static_cast<std::size_t>(width), 7, 2.0f);
    for (const ElementType x_type : types) {
      Numbers x(x_type, random_normal(static_cast<std::size_t>(rows * x_stride), 6, 30.0f));
      for (std::int64_t i = 0; i < width; ++i)
        x.set(static_cast<std::size_t>(i), 0.0f);  // a zero row
      for (const ElementType y_type : types) {
        for (const bool silu : {false, true}) {
          Numbers y(y_type, static_cast<std::size_t>(rows * y_stride), untouched);
          ASSERT_EQ(backend().gamma_norm({x.rows(rows, width, x_stride), gamma.data(), silu,
                                          y.rows(rows, width, y_stride)},
                                         nullptr),
                    Status::ok);
          for (std::int64_t r = 0; r < rows; ++r) {
            // e^−z turns an absolute error of z into a relative one.
            expect_row(y, r, y_stride,
                       gamma_norm_oracle(row_of(x, r, x_stride, width), widened(gamma), silu), 40,
                       0);
          }
        }
      }
    }
  }
}

TEST_P(Normalize, SiluHoldsAtItsEnds) {
  // One channel: x/|x|·gamma is ±gamma.
  for (const float gamma : {1e-6f, 0.5f, 20.0f, 80.0f, 87.0f}) {
    for (const float sign : {-1.0f, 1.0f}) {
      const std::vector<float> gammas{gamma};
      Numbers x(ElementType::f32, std::vector<float>{sign}), y(ElementType::f32, 1, untouched);
      ASSERT_EQ(
          backend().gamma_norm({x.view({1, 1}), gammas.data(), true, y.view({1, 1})}, nullptr),
          Status::ok);
      const double z = static_cast<double>(sign * gamma);
      const double exact = z / (1.0 + std::exp(-z));
      EXPECT_NEAR(static_cast<double>(y[0]), exact, std::abs(exact) * 1e-6 * (1.0 + std::abs(z)));
    }
  }
}

struct PackCase {
  std::int64_t tokens, heads, head_dim, groups;
  std::int64_t gap = 7;  ///< after rows of x and groups of y
};

/// Checks one call of norm_rope_pack; `norm` and `rope` say which of its halves are on.
void check_pack(const kernels::Kernels& backend, const PackCase& c, ElementType x_type,
                ElementType y_type, bool norm, bool rope) {
  const std::int64_t width = c.heads * c.head_dim, x_stride = width + c.gap;
  const std::int64_t group_heads = c.heads / c.groups;
  const std::int64_t group_stride = c.tokens * group_heads * c.head_dim + c.gap;
  const auto weight = random_normal(static_cast<std::size_t>(width), 8);
  std::vector<float> turn;
  for (std::int64_t i = 0; i < c.tokens * c.head_dim / 2; ++i) {
    turn.push_back(std::cos(0.7f * static_cast<float>(i)));
    turn.push_back(std::sin(0.7f * static_cast<float>(i)));
  }
  Numbers x(x_type, random_normal(static_cast<std::size_t>(c.tokens * x_stride), 9, 3.0f));
  Numbers y(y_type, static_cast<std::size_t>(c.groups * group_stride), untouched);
  std::vector<bool> seen(y.size(), false);
  ASSERT_EQ(
      backend.norm_rope_pack({x.rows(c.tokens, width, x_stride), norm ? weight.data() : nullptr,
                              1e-6f, rope ? turn.data() : nullptr, c.heads, c.head_dim, c.groups,
                              y.data(), y_type, group_stride},
                             nullptr),
      Status::ok);
  for (std::int64_t t = 0; t < c.tokens; ++t) {
    auto row = row_of(x, t, x_stride, width);
    if (norm) row = rms_norm_oracle(row, widened(weight), 1e-6);
    for (std::int64_t h = 0; h < c.heads; ++h) {
      std::vector<double> head(row.begin() + h * c.head_dim, row.begin() + (h + 1) * c.head_dim);
      double size = 0;
      for (const double v : head) size = std::max(size, std::abs(v));
      if (rope) rotate_oracle(head, turn.data() + t * c.head_dim);
      const std::int64_t place =
          h / group_heads * group_stride + (t * group_heads + h % group_heads) * c.head_dim;
      for (std::int64_t i = 0; i < c.head_dim; ++i) {
        const auto at = static_cast<std::size_t>(place + i);
        const double exact = head[static_cast<std::size_t>(i)];
        ASSERT_NEAR(static_cast<double>(y[at]), exact,
                    allowed_error(y_type, exact) + size * 0x1p-21)
            << "token " << t << ", head " << h << ", element " << i;
        seen[at] = true;
      }
    }
  }
  for (std::size_t i = 0; i < seen.size(); ++i) {
    ASSERT_TRUE(seen[i] || y[i] == to_float(to_bfloat16(untouched)))
        << "the gap was written at " << i;
  }
}

TEST_P(Normalize, NormRopePackMatchesFloat64AndPutsHeadsWhereTheyBelong) {
  const PackCase cases[] = {{1, 1, 2, 1},     {3, 2, 6, 2},       {2, 6, 10, 3},   {5, 4, 64, 2},
                            {2, 12, 128, 4},  {3, 3, 34, 1},      {1, 40, 128, 8}, {3, 4, 12, 2, 8},
                            {5, 4, 64, 2, 8}, {2, 12, 128, 4, 4}, {2, 4, 6, 2, 8}};
  for (const auto& c : cases) {
    for (const ElementType x_type : types) {
      for (const ElementType y_type : types) {
        for (const bool norm : {false, true}) {
          for (const bool rope : {false, true})
            check_pack(backend(), c, x_type, y_type, norm, rope);
        }
      }
    }
  }
}

TEST_P(Normalize, ARowHasTheSameBitsAloneAmongManyAndOnTheBaselineBackend) {
  const std::int64_t rows = 61, width = 1000, heads = 10;
  Numbers x(ElementType::f32, random_normal(rows * width, 10));
  const auto weight = random_normal(width, 11);
  const auto turn = random_normal(rows * 100, 12);
  const auto all = [&](const kernels::Kernels& k, std::int64_t first, std::int64_t count) {
    std::vector<Numbers> results(
        4, Numbers(ElementType::f32, static_cast<std::size_t>(count * width)));
    const ConstView in =
        const_view_of(x.data() + first * width * 4, ElementType::f32, {count, width});
    EXPECT_EQ(k.layer_norm(
                  {in, weight.data(), weight.data(), true, 1e-6f, results[0].view({count, width})},
                  nullptr),
              Status::ok);
    EXPECT_EQ(k.rms_norm({in, weight.data(), 1e-6f, results[1].view({count, width})}, nullptr),
              Status::ok);
    EXPECT_EQ(k.gamma_norm({in, weight.data(), true, results[2].view({count, width})}, nullptr),
              Status::ok);
    EXPECT_EQ(k.norm_rope_pack({in, weight.data(), 1e-6f, turn.data() + first * 100, heads, 100, 1,
                                results[3].data(), ElementType::f32, 0},
                               nullptr),
              Status::ok);
    return results;
  };
  const auto together = all(backend(), 0, rows);
  if (is_cpu()) {
    EXPECT_EQ(together, all(baseline(), 0, rows));
  }
  for (const std::int64_t r : {0, 1, 37, 60}) {
    const auto alone = all(backend(), r, 1);
    for (std::size_t k = 0; k < alone.size(); ++k) {
      EXPECT_EQ(std::memcmp(alone[k].data(), together[k].data() + r * width * 4,
                            static_cast<std::size_t>(width) * 4),
                0)
          << "kernel " << k << ", row " << r;
    }
  }
}

TEST_P(Normalize, WrongShapesAndTypesAreRefused) {
  Numbers x(ElementType::f32, 12), y(ElementType::f32, 12), half(ElementType::f16, 12);
  const std::vector<float> weight(12, 1.0f);
  const auto& k = backend();
  EXPECT_EQ(k.rms_norm({x.view({3, 4}), weight.data(), 1e-6f, y.view({4, 3})}, nullptr),
            Status::bad_shape);
  EXPECT_EQ(k.rms_norm({x.view({12}), weight.data(), 1e-6f, y.view({12})}, nullptr),
            Status::bad_shape);
  EXPECT_EQ(k.rms_norm({x.view({3, 4}), nullptr, 1e-6f, y.view({3, 4})}, nullptr),
            Status::bad_shape);
  EXPECT_EQ(k.rms_norm({x.view({3, 4}), weight.data(), 1e-6f, half.view({3, 4})}, nullptr),
            Status::unsupported_type);
  EXPECT_EQ(
      k.layer_norm({half.view({3, 4}), weight.data(), weight.data(), false, 1e-6f, y.view({3, 4})},
                   nullptr),
      Status::unsupported_type);
  EXPECT_EQ(k.gamma_norm({half.view({3, 4}), weight.data(), false, y.view({3, 4})}, nullptr),
            Status::unsupported_type);
  EXPECT_EQ(k.norm_rope_pack(
                {x.view({3, 4}), nullptr, 1e-6f, nullptr, 3, 2, 1, y.data(), ElementType::f32, 0},
                nullptr),
            Status::bad_shape);
  EXPECT_EQ(k.norm_rope_pack(
                {x.view({3, 4}), nullptr, 1e-6f, nullptr, 2, 2, 3, y.data(), ElementType::f32, 0},
                nullptr),
            Status::bad_shape);
  EXPECT_EQ(k.norm_rope_pack({x.view({4, 3}), nullptr, 1e-6f, weight.data(), 1, 3, 1, y.data(),
                              ElementType::f32, 0},
                             nullptr),
            Status::bad_shape);
}

}  // namespace
}  // namespace causeway::testing
