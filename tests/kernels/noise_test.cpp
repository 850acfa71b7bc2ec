// The noise generator: published vectors, an independent implementation, its distribution, and its
// splits.
#include "kernels/noise.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <vector>

#include "noise_vectors.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {
namespace {

using kernels::noise_key;
using kernels::NoisePurpose;
using kernels::normal_of;
using kernels::philox;
using kernels::PhiloxBlock;
using kernels::Status;

void expect_block(PhiloxBlock counter, std::uint64_t key, PhiloxBlock expected) {
  const PhiloxBlock got = philox(counter, key);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(got.word[i], expected.word[i]) << "word " << i;
}

TEST(Philox, GivesTheKnownAnswersOfRandom123) {
  expect_block({{0, 0, 0, 0}}, 0, {{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}});
  expect_block({{~0u, ~0u, ~0u, ~0u}}, ~0ull,
               {{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}});
  expect_block({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}}, 0x299f31d0a4093822ull,
               {{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}});
}

TEST(NoiseKey, EqualsTheIndependentImplementation) {
  for (const auto& v : key_vectors) {
    EXPECT_EQ(noise_key(v.seed, v.sample, static_cast<NoisePurpose>(v.purpose), v.chunk, v.step),
              v.key);
  }
}

TEST(NoiseKey, DiffersWheneverAnyArgumentDiffers) {
  std::set<std::uint64_t> keys;
  std::size_t count = 0;
  const std::uint64_t wide[] = {0, 1, 2, 1ull << 32, (1ull << 32) + 1, ~0ull};
  const std::uint32_t narrow[] = {0, 1, 2, 3, 1u << 24, ~0u};
  for (const auto seed : wide) {
    for (const auto sample : wide) {
      for (const auto purpose :
           {NoisePurpose::initial, NoisePurpose::renoise, NoisePurpose::context}) {
        for (const auto chunk : narrow) {
          for (const auto step : narrow) {
            keys.insert(noise_key(seed, sample, purpose, chunk, step));
            ++count;
          }
        }
      }
    }
  }
  EXPECT_EQ(keys.size(), count);
}

TEST(Normal, QuantilesAreTheNearestFloatsUpToTheLastWord) {
  for (const auto& v : quantile_vectors) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(kernels::normal_of_word(v.word)), v.bits)
        << "word " << v.word;
  }
}

TEST(Normal, ElementsHaveTheBitsOfTheIndependentImplementation) {
  for (const auto& v : normal_vectors) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(normal_of(v.key, v.element)), v.bits)
        << "key " << v.key << ", element " << v.element;
  }
}

TEST(Normal, QuantilesRiseAndAreSymmetric) {
  float before = -10.0f;
  for (std::uint64_t word = 0; word < (1ull << 32); word += 65521) {
    const float value = kernels::normal_of_word(static_cast<std::uint32_t>(word));
    ASSERT_GE(value, before) << "word " << word;
    ASSERT_EQ(value, -kernels::normal_of_word(~static_cast<std::uint32_t>(word)))
        << "word " << word;
    before = value;
  }
}

TEST(Normal, MomentsAndDistributionOfAMillionDrawsAreThoseOfTheStandardNormal) {
  const std::size_t count = 1000000;
  const auto n = static_cast<double>(count);
  std::vector<double> draws(count);
  const std::uint64_t key = noise_key(1234, 5, NoisePurpose::initial, 0, 0);
  for (std::size_t i = 0; i < count; ++i) draws[i] = static_cast<double>(normal_of(key, i));
  double moment[5] = {};
  for (const double x : draws) {
    for (int p = 1; p <= 4; ++p) moment[p] += std::pow(x, p) / n;
  }
  // Four standard errors of each estimate.
  EXPECT_NEAR(moment[1], 0.0, 4 / std::sqrt(n));
  EXPECT_NEAR(moment[2], 1.0, 4 * std::sqrt(2 / n));
  EXPECT_NEAR(moment[3], 0.0, 4 * std::sqrt(15 / n));
  EXPECT_NEAR(moment[4], 3.0, 4 * std::sqrt(96 / n));
  std::sort(draws.begin(), draws.end());
  double distance = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double exact = 0.5 * std::erfc(-draws[i] / std::sqrt(2.0));
    distance = std::max({distance, std::abs(exact - static_cast<double>(i) / n),
                         std::abs(exact - static_cast<double>(i + 1) / n)});
  }
  EXPECT_LT(distance * std::sqrt(n), 1.95);  // Kolmogorov-Smirnov, one in a thousand
}

TEST(Normal, DrawsOfNeighbouringKeysAndElementsAreUncorrelated) {
  const std::size_t count = 200000;
  const auto n = static_cast<double>(count);
  const std::uint64_t base = noise_key(0, 0, NoisePurpose::renoise, 0, 0);
  const std::uint64_t others[] = {
      noise_key(1, 0, NoisePurpose::renoise, 0, 0), noise_key(0, 1, NoisePurpose::renoise, 0, 0),
      noise_key(0, 0, NoisePurpose::initial, 0, 0), noise_key(0, 0, NoisePurpose::renoise, 1, 0),
      noise_key(0, 0, NoisePurpose::renoise, 0, 1)};
  for (const auto other : others) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      sum += static_cast<double>(normal_of(base, i)) * static_cast<double>(normal_of(other, i));
    }
    EXPECT_LT(std::abs(sum / std::sqrt(n)), 4.0);
  }
  for (const std::size_t lag : {1, 2, 3, 4, 832}) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      sum +=
          static_cast<double>(normal_of(base, i)) * static_cast<double>(normal_of(base, i + lag));
    }
    EXPECT_LT(std::abs(sum / std::sqrt(n)), 4.0) << "lag " << lag;
  }
}

class NoiseKernel : public OnBackend {};
CAUSEWAY_ON_EVERY_BACKEND(NoiseKernel);

TEST_P(NoiseKernel, EveryComponentIsTheElementOfTheUnsplitTensorInAnySplit) {
  const kernels::PatchGeometry shapes[] = {
      {1, 1, 1, 1, 1, 1}, {16, 3, 6, 10, 2, 2}, {3, 2, 6, 9, 2, 3}};
  for (const auto& g : shapes) {
    const std::uint64_t key = noise_key(9, 8, NoisePurpose::renoise, 7, 1);
    const auto width = static_cast<std::size_t>(g.token_width());
    const auto tokens = static_cast<std::size_t>(g.tokens());
    std::vector<float> whole(tokens * width, 99.0f);
    ASSERT_EQ(backend().noise({key, g, 0, g.tokens(), whole.data()}, nullptr), Status::ok);
    for (std::int64_t f = 0; f < g.frames; ++f) {
      for (std::int64_t y = 0; y < g.height; ++y) {
        for (std::int64_t x = 0; x < g.width; ++x) {
          const std::int64_t token =
              (f * g.rows() + y / g.patch_height) * g.columns() + x / g.patch_width;
          for (std::int64_t c = 0; c < g.channels; ++c) {
            const std::int64_t component =
                c * g.patch() + y % g.patch_height * g.patch_width + x % g.patch_width;
            const std::int64_t element = ((c * g.frames + f) * g.height + y) * g.width + x;
            ASSERT_EQ(whole[static_cast<std::size_t>(token) * width +
                            static_cast<std::size_t>(component)],
                      normal_of(key, static_cast<std::uint64_t>(element)));
          }
        }
      }
    }
    for (std::int64_t first = 0; first < g.tokens(); ++first) {
      for (const std::int64_t count : {std::int64_t{0}, std::int64_t{1}, g.tokens() - first}) {
        std::vector<float> part(static_cast<std::size_t>(count) * width + 1, 99.0f);
        ASSERT_EQ(backend().noise({key, g, first, count, part.data()}, nullptr), Status::ok);
        ASSERT_EQ(part.back(), 99.0f);
        ASSERT_TRUE(std::equal(part.begin(), part.end() - 1,
                               whole.begin() + first * static_cast<std::int64_t>(width)));
      }
    }
  }
}

TEST_P(NoiseKernel, TokensOutsideTheChunkAreRefused) {
  const kernels::PatchGeometry g{1, 1, 4, 4, 2, 2};
  std::vector<float> y(64);
  EXPECT_EQ(backend().noise({1, g, 3, 2, y.data()}, nullptr), Status::bad_shape);
  EXPECT_EQ(backend().noise({1, g, -1, 2, y.data()}, nullptr), Status::bad_shape);
  const kernels::PatchGeometry uneven{1, 1, 5, 4, 2, 2};
  EXPECT_EQ(backend().noise({1, uneven, 0, 1, y.data()}, nullptr), Status::bad_shape);
}

}  // namespace
}  // namespace causeway::testing
