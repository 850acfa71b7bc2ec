// The 16-bit roundings against an obvious oracle: the nearest of all words, ties to the even one.
#include "output/half_types.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace causeway::half_types {
namespace {

struct Format {
  int exponent_bits, mantissa_bits;
};
constexpr Format bfloat16{8, 7}, binary16{5, 10};

// The value of a finite word by the definition of IEEE 754, section 3.4.
double value_of(std::uint32_t word, Format format) {
  const int bias = (1 << (format.exponent_bits - 1)) - 1;
  const int exponent =
      static_cast<int>(word >> format.mantissa_bits) & ((1 << format.exponent_bits) - 1);
  const double fraction =
      std::ldexp(word & ((1u << format.mantissa_bits) - 1), -format.mantissa_bits);
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
  return (word & 0x8000u) != 0 ? -magnitude : magnitude;
}

std::uint32_t infinity_of(Format format) {
  return ((1u << format.exponent_bits) - 1) << format.mantissa_bits;
}

// Nearest positive word by bisection; infinity stands where the next power of two would.
std::uint16_t oracle(float value, Format format) {
  const double magnitude = std::abs(static_cast<double>(value));
  const std::uint32_t infinite = infinity_of(format);
  std::uint32_t low = 0, high = infinite;
  if (std::isinf(value)) low = infinite;
  while (high - low > 1) {
    const std::uint32_t middle = (low + high) / 2;
    (value_of(middle, format) <= magnitude ? low : high) = middle;
  }
  std::uint32_t word = low;
  if (low < infinite) {
    const double below = magnitude - value_of(low, format);
    const double above = value_of(low + 1, format) - magnitude;
    if (above < below || (above == below && (low & 1u) != 0)) word = low + 1;
  }
  return static_cast<std::uint16_t>(word | (std::signbit(value) ? 0x8000u : 0u));
}

TEST(HalfTypes, every_finite_word_survives_a_round_trip_and_has_its_value) {
  for (std::uint32_t word = 0; word < 0x10000u; ++word) {
    const auto short_word = static_cast<std::uint16_t>(word);
    if ((word & 0x7fffu) < infinity_of(bfloat16)) {
      ASSERT_EQ(from_bfloat16_word(short_word), value_of(word, bfloat16)) << word;
      ASSERT_EQ(bfloat16_word(from_bfloat16_word(short_word)), word);
    }
    if ((word & 0x7fffu) < infinity_of(binary16)) {
      ASSERT_EQ(from_binary16_word(short_word), value_of(word, binary16)) << word;
      ASSERT_EQ(binary16_word(from_binary16_word(short_word)), word);
    }
  }
}

TEST(HalfTypes, values_between_words_go_to_the_nearest_ties_to_even) {
  std::vector<float> values{0.0f,
                            -0.0f,
                            1.00390625f,
                            1.01171875f,
                            65504.0f,
                            65519.996f,
                            65520.0f,
                            3.4e38f,
                            -3.4e38f,
                            1e30f,
                            0x1p-24f,
                            0x1p-25f,
                            0x1.000002p-25f,
                            0x1.8p-24f,
                            0x1p-149f,
                            0x1.ffcp-15f,
                            0x1.ffep-15f,
                            std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()};
  std::mt19937 engine(7);
  for (int i = 0; i < 200000; ++i) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(engine()));
    if (!std::isnan(value)) values.push_back(value);
    // Around the range of binary16, halfway cases included.
    values.push_back(std::ldexp(static_cast<float>(engine() % 8192) / 2048.0f,
                                static_cast<int>(engine() % 44) - 26));
  }
  for (const float value : values) {
    ASSERT_EQ(bfloat16_word(value), oracle(value, bfloat16)) << value;
    ASSERT_EQ(binary16_word(value), oracle(value, binary16)) << value;
  }
}

TEST(HalfTypes, not_a_number_stays_one_and_keeps_its_sign) {
  for (const std::uint32_t word :
       {0x7fc00000u, 0xffc00000u, 0x7f800001u, 0xff800001u, 0x7fffffffu}) {
    const float value = std::bit_cast<float>(word);
    EXPECT_TRUE(std::isnan(from_bfloat16_word(bfloat16_word(value))));
    EXPECT_TRUE(std::isnan(from_binary16_word(binary16_word(value))));
    EXPECT_EQ(bfloat16_word(value) >> 15, word >> 31);
    EXPECT_EQ(binary16_word(value) >> 15, word >> 31);
  }
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(from_binary16_word(0x7c00), infinity);
  EXPECT_EQ(from_binary16_word(0xfc00), -infinity);
  EXPECT_EQ(from_bfloat16_word(0x7f80), infinity);
}

}  // namespace
}  // namespace causeway::half_types
