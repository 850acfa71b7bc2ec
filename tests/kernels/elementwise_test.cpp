// Sums, products and conversions of every type, sizes with tails, in place, on every backend.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "support/compare.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {
namespace {

using kernels::Status;

constexpr std::size_t sizes[] = {1, 3, 15, 16, 17, 1023, 1024, 1025, 40001};
constexpr ElementType types[] = {ElementType::f32, ElementType::bf16};

class Elementwise : public OnBackend {};
CAUSEWAY_ON_EVERY_BACKEND(Elementwise);

TEST_P(Elementwise, AddAndMultiplyAreTheRoundedResultForEveryTypeAndSize) {
  for (const std::size_t size : sizes) {
    for (const ElementType a_type : types) {
      for (const ElementType b_type : types) {
        for (const ElementType y_type : types) {
          Numbers a(a_type, random_normal(size, 1)), b(b_type, random_normal(size, 2));
          Numbers sum(y_type, size + 1, -7.0f), product(y_type, size + 1, -7.0f);
          const auto n = static_cast<std::int64_t>(size);
          ASSERT_EQ(backend().add(a.view({n}), b.view({n}), sum.view({n}), nullptr), Status::ok);
          ASSERT_EQ(
              backend().multiply(a.view({1, n}), b.view({1, n}), product.view({1, n}), nullptr),
              Status::ok);
          Numbers expected_sum(y_type, size + 1, -7.0f), expected_product(y_type, size + 1, -7.0f);
          for (std::size_t i = 0; i < size; ++i) {
            expected_sum.set(i, a[i] + b[i]);
            expected_product.set(i, a[i] * b[i]);
          }
          ASSERT_EQ(sum, expected_sum);
          ASSERT_EQ(product, expected_product);
        }
      }
    }
  }
}

TEST_P(Elementwise, TheResultMayTakeThePlaceOfAnOperand) {
  Numbers a(ElementType::f32, random_normal(5000, 1)), b(ElementType::bf16, random_normal(5000, 2));
  Numbers expected(ElementType::f32, 5000);
  for (std::size_t i = 0; i < 5000; ++i) expected.set(i, a[i] + b[i]);
  ASSERT_EQ(backend().add(a.view({50, 100}), b.view({50, 100}), a.view({50, 100}), nullptr),
            Status::ok);
  EXPECT_EQ(a, expected);
}

TEST_P(Elementwise, ConvertRoundsToNearestEvenBetweenAllTypes) {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> values = random_normal(3000, 3);
  for (const float special : {0.0f, -0.0f, inf, -inf, 65504.0f, 65519.9f, 65520.0f, 1e-8f, 6e-8f,
                              6e-5f, 1e-40f, 3.4e38f, 1.00390625f, 1.01171875f, 0.333333343f}) {
    values.push_back(special);
    values.push_back(-special);
  }
  const auto n = static_cast<std::int64_t>(values.size());
  for (const ElementType x_type : {ElementType::f32, ElementType::bf16, ElementType::f16}) {
    for (const ElementType y_type : {ElementType::f32, ElementType::bf16, ElementType::f16}) {
      Numbers x(x_type, values), y(y_type, values.size());
      ASSERT_EQ(backend().convert(x.view({n}), y.view({n}), nullptr), Status::ok);
      Numbers expected(y_type, values.size());
      for (std::size_t i = 0; i < values.size(); ++i) expected.set(i, x[i]);
      ASSERT_EQ(y, expected) << name_of(x_type) << " to " << name_of(y_type);
    }
  }
}

TEST_P(Elementwise, ConvertTakesRowsThatLieApartAndLeavesTheGaps) {
  for (const std::int64_t width : {1, 5, 1100}) {
    Numbers x(ElementType::f32, random_normal(static_cast<std::size_t>(3 * (width + 2)), 4));
    Numbers y(ElementType::bf16, static_cast<std::size_t>(3 * (width + 7)), -7.0f);
    Numbers expected = y;
    for (std::int64_t row = 0; row < 3; ++row) {
      for (std::int64_t i = 0; i < width; ++i) {
        expected.set(static_cast<std::size_t>(row * (width + 7) + i),
                     x[static_cast<std::size_t>(row * (width + 2) + i)]);
      }
    }
    ASSERT_EQ(backend().convert(x.rows(3, width, width + 2), y.rows(3, width, width + 7), nullptr),
              Status::ok);
    EXPECT_EQ(y, expected);
  }
}

TEST_P(Elementwise, ConvertKeepsNaN) {
  std::vector<float> values(40, std::numeric_limits<float>::quiet_NaN());
  values[3] = std::bit_cast<float>(0x7f800001u);  // the payload of this one is lost in 16 bits
  values[4] = std::bit_cast<float>(0xffffffffu);
  for (const ElementType type : {ElementType::bf16, ElementType::f16}) {
    Numbers y(type, values.size());
    ASSERT_EQ(backend().convert(const_view_of(values.data(), ElementType::f32, {40}), y.view({40}),
                                nullptr),
              Status::ok);
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_TRUE(std::isnan(y[i])) << i;
  }
}

TEST_P(Elementwise, WrongShapesAndTypesAreRefused) {
  Numbers a(ElementType::f32, 12), h(ElementType::f16, 12), u(ElementType::u8, 12);
  const auto& k = backend();
  EXPECT_EQ(k.add(a.view({12}), a.view({3, 4}), a.view({12}), nullptr), Status::bad_shape);
  EXPECT_EQ(k.add(a.view({12}), a.view({12}), a.view({11}), nullptr), Status::bad_shape);
  EXPECT_EQ(k.add(a.rows(3, 2, 4), a.rows(3, 2, 4), a.rows(3, 2, 4), nullptr), Status::bad_shape);
  EXPECT_EQ(k.multiply(a.view({12}), h.view({12}), a.view({12}), nullptr),
            Status::unsupported_type);
  EXPECT_EQ(k.convert(u.view({12}), a.view({12}), nullptr), Status::unsupported_type);
  EXPECT_EQ(k.convert(a.view({12}), u.view({12}), nullptr), Status::unsupported_type);
}

}  // namespace
}  // namespace causeway::testing
