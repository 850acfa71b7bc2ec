// The sampler's arithmetic and patches against plain loops, bit for bit, on every backend.
#include <gtest/gtest.h>

#include <vector>

#include "support/compare.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {
namespace {

using kernels::PatchGeometry;
using kernels::Status;

const PatchGeometry geometries[] = {
    {1, 1, 1, 1, 1, 1}, {16, 3, 6, 10, 2, 2}, {3, 2, 6, 9, 2, 3}, {16, 1, 4, 4, 2, 2}};

class Diffusion : public OnBackend {};
CAUSEWAY_ON_EVERY_BACKEND(Diffusion);

TEST_P(Diffusion, FlowToX0IsTheFloat64FormulaRoundedOnceAlsoInPlace) {
  for (const auto& g : geometries) {
    const auto count = static_cast<std::size_t>(g.tokens() * g.token_width());
    for (const float sigma : {1.0f, 0.9375f, 0.8333333f, 0.625f, 0.00498008f}) {
      const auto x = random_normal(count, 1), v = random_normal(count, 2);
      std::vector<float> expected(count), x0(count), in_place = x;
      for (std::int64_t t = 0; t < g.tokens(); ++t) {
        for (std::int64_t c = 0; c < g.channels; ++c) {
          for (std::int64_t p = 0; p < g.patch(); ++p) {
            const auto row = static_cast<std::size_t>(t * g.token_width());
            const auto channel_major = row + static_cast<std::size_t>(c * g.patch() + p);
            const auto position_major = row + static_cast<std::size_t>(p * g.channels + c);
            expected[channel_major] = static_cast<float>(
                static_cast<double>(x[channel_major]) -
                static_cast<double>(sigma) * static_cast<double>(v[position_major]));
          }
        }
      }
      ASSERT_EQ(
          backend().flow_to_x0({g, g.tokens(), sigma, x.data(), v.data(), x0.data()}, nullptr),
          Status::ok);
      EXPECT_EQ(x0, expected);
      ASSERT_EQ(backend().flow_to_x0(
                    {g, g.tokens(), sigma, in_place.data(), v.data(), in_place.data()}, nullptr),
                Status::ok);
      EXPECT_EQ(in_place, expected);
    }
  }
}

TEST_P(Diffusion, RenoiseRoundsEveryOperationOnItsOwnAlsoInPlace) {
  std::size_t fused_would_differ = 0;
  for (const std::size_t count : {1u, 17u, 30011u}) {
    for (const float sigma : {1.0f, 0.9375f, 0.8333333f, 0.625f, 0.0f}) {
      const auto x0 = random_normal(count, 3), noise = random_normal(count, 4);
      std::vector<float> expected(count), x(count), in_place = noise;
      for (std::size_t i = 0; i < count; ++i) {
        const volatile float keep = 1.0f - sigma;
        const volatile float kept = keep * x0[i];
        const volatile float fresh = sigma * noise[i];
        expected[i] = kept + fresh;
        if (std::fma(sigma, noise[i], kept) != expected[i]) ++fused_would_differ;
      }
      const auto n = static_cast<std::int64_t>(count);
      ASSERT_EQ(backend().renoise({n, sigma, x0.data(), noise.data(), x.data()}, nullptr),
                Status::ok);
      EXPECT_EQ(x, expected);
      ASSERT_EQ(backend().renoise({n, sigma, x0.data(), in_place.data(), in_place.data()}, nullptr),
                Status::ok);
      EXPECT_EQ(in_place, expected);
    }
  }
  EXPECT_GT(fused_would_differ, 1000u) << "these numbers would not notice a fused multiply-add";
}

TEST_P(Diffusion, PatchifyPutsEveryElementInItsTokenAndUnpatchifyPutsItBack) {
  for (const auto& g : geometries) {
    const auto count = static_cast<std::size_t>(g.channels * g.frames * g.height * g.width);
    std::vector<float> latents(count);
    for (std::size_t i = 0; i < count; ++i) latents[i] = static_cast<float>(i);
    std::vector<float> expected(count, -1.0f);
    for (std::int64_t c = 0; c < g.channels; ++c) {
      for (std::int64_t f = 0; f < g.frames; ++f) {
        for (std::int64_t y = 0; y < g.height; ++y) {
          for (std::int64_t x = 0; x < g.width; ++x) {
            const std::int64_t token =
                (f * g.rows() + y / g.patch_height) * g.columns() + x / g.patch_width;
            const std::int64_t component =
                c * g.patch() + y % g.patch_height * g.patch_width + x % g.patch_width;
            expected[static_cast<std::size_t>(token * g.token_width() + component)] =
                latents[static_cast<std::size_t>(((c * g.frames + f) * g.height + y) * g.width +
                                                 x)];
          }
        }
      }
    }
    std::vector<float> tokens(count, -1.0f), back(count, -1.0f);
    ASSERT_EQ(backend().patchify({g, 0, g.tokens(), latents.data(), tokens.data()}, nullptr),
              Status::ok);
    EXPECT_EQ(tokens, expected);
    // Put back in two uneven parts, as two ranks would hold them.
    const std::int64_t split = g.tokens() / 3;
    ASSERT_EQ(backend().unpatchify({g, 0, split, tokens.data(), back.data()}, nullptr), Status::ok);
    ASSERT_EQ(backend().unpatchify({g, split, g.tokens() - split,
                                    tokens.data() + split * g.token_width(), back.data()},
                                   nullptr),
              Status::ok);
    EXPECT_EQ(back, latents);
    std::vector<float> one(static_cast<std::size_t>(g.token_width()));
    ASSERT_EQ(backend().patchify({g, g.tokens() - 1, 1, latents.data(), one.data()}, nullptr),
              Status::ok);
    EXPECT_TRUE(std::equal(one.begin(), one.end(), expected.end() - g.token_width()));
  }
}

TEST_P(Diffusion, TokensOutsideTheChunkAndPatchesThatDoNotTileAreRefused) {
  std::vector<float> data(64);
  const PatchGeometry g{1, 1, 4, 4, 2, 2}, uneven{1, 1, 4, 5, 2, 2};
  EXPECT_EQ(backend().patchify({g, 4, 1, data.data(), data.data()}, nullptr), Status::bad_shape);
  EXPECT_EQ(backend().unpatchify({g, -1, 1, data.data(), data.data()}, nullptr), Status::bad_shape);
  EXPECT_EQ(backend().patchify({uneven, 0, 1, data.data(), data.data()}, nullptr),
            Status::bad_shape);
  EXPECT_EQ(backend().renoise({-1, 0.5f, data.data(), data.data(), data.data()}, nullptr),
            Status::bad_shape);
}

}  // namespace
}  // namespace causeway::testing
