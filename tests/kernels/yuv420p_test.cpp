// Frames as yuv420p against the definition in double precision and against published colours, on
// every backend.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "support/compare.hpp"
#include "support/cuda_on_host/cuda_on_host.hpp"
#include "support/numbers.hpp"
#include "support/yuv420p_oracle.hpp"

namespace causeway::testing {
namespace {

using kernels::Status;

constexpr ElementType types[] = {ElementType::f32, ElementType::bf16};

struct Extent {
  std::int64_t t, h, w;
  std::size_t frame() const { return static_cast<std::size_t>(h * w); }  ///< pixels
};
// One sample of chroma; no whole vector; rows that end just before, at and after a tile of the CPU;
// enough for several threads.
const Extent extents[] = {{1, 2, 2},   {2, 2, 6},   {1, 6, 2},    {3, 4, 34},
                          {1, 2, 254}, {1, 2, 256}, {2, 12, 258}, {1, 4, 518}};

/// Every byte's boundaries, what lies outside, and what is no number; then normal numbers.
std::vector<float> channels(const Extent& e, std::uint32_t seed) {
  std::vector<float> values =
      random_normal(3 * e.frame() * static_cast<std::size_t>(e.t), seed, 0.7f);
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> special{-1.0f, 1.0f, 0.0f, 2.0f,        -2.0f,        inf,
                             -inf,  nan,  -nan, 0.99999994f, -0.99999994f, 1e-30f};
  for (int level = 0; level < 256; ++level) {
    const float exact = static_cast<float>(level) / 127.5f - 1.0f;
    special.insert(special.end(), {exact, std::nextafter(exact, -2.0f)});
  }
  // Every other element, so that neighbours differ; at the end in small frames.
  for (std::size_t i = 0; i < special.size() && 2 * i < values.size(); ++i)
    values[values.size() - 1 - 2 * i] = special[i];
  return values;
}

class Yuv420p : public OnBackend {
 protected:
  /// [t, h·w·3/2]
  Numbers planes_of(Numbers& x, const Extent& e) {
    Numbers y(ElementType::u8, e.frame() / 2 * 3 * static_cast<std::size_t>(e.t), 77.0f);
    EXPECT_EQ(backend().frames_to_yuv420p(x.view({e.t, e.h, e.w, 3}),
                                          y.view({e.t, e.h * e.w / 2 * 3}), nullptr),
              Status::ok);
    return y;
  }
  /// A frame of 2 × `width` pixels whose columns have the colours that `rgb` gives.
  template <class Rgb>
  Numbers planes_of_columns(std::int64_t width, Rgb rgb) {
    Numbers x(ElementType::f32, static_cast<std::size_t>(2 * width * 3));
    for (std::int64_t i = 0; i < 2 * width; ++i) {
      const std::array<int, 3> colour = rgb(i % width);
      for (std::size_t c = 0; c < 3; ++c)
        x.set(static_cast<std::size_t>(3 * i) + c, channel_of_byte(colour[c]));
    }
    return planes_of(x, {1, 2, width});
  }
};
CAUSEWAY_ON_EVERY_BACKEND(Yuv420p);

TEST_P(Yuv420p, EveryByteIsTheDefinitionRounded) {
  for (const auto& e : extents) {
    for (const ElementType type : types) {
      Numbers x(type, channels(e, 1));
      const Numbers y = planes_of(x, e);
      const std::size_t size = e.frame() / 2 * 3;
      for (std::size_t t = 0; t < static_cast<std::size_t>(e.t); ++t) {
        const auto exact = yuv420p_of_frame(x, t * e.frame() * 3, e.h, e.w);
        ASSERT_EQ(exact.size(), size);
        for (std::size_t i = 0; i < size; ++i) {
          // Weights are rounded to 2⁻²⁰: three of them, times 255 at most.
          ASSERT_NEAR(y[t * size + i], exact[i], 0.5 + 3 * 255 * 0x1p-21)
              << e.t << "x" << e.h << "x" << e.w << ", frame " << t << ", byte " << i;
        }
      }
    }
  }
}

TEST_P(Yuv420p, EveryBackendGivesTheSameBytesAndTheErrorsLeanToNoSide) {
  const Extent e{2, 16, 262};
  for (const ElementType type : types) {
    Numbers x(type, channels(e, 2));
    const Numbers y = planes_of(x, e);
    Numbers expected(ElementType::u8, y.size());
    ASSERT_EQ(baseline().frames_to_yuv420p(x.view({e.t, e.h, e.w, 3}),
                                           expected.view({e.t, e.h * e.w / 2 * 3}), nullptr),
              Status::ok);
    EXPECT_EQ(y, expected);
    double error = 0, distance = 0;
    const auto exact = yuv420p_of_frame(x, 0, e.h, e.w);
    for (std::size_t i = 0; i < exact.size(); ++i) {
      error += y[i] - exact[i];
      distance += std::abs(y[i] - exact[i]);
    }
    const auto count = static_cast<double>(exact.size());
    EXPECT_LT(std::abs(error / count), 0.02);
    EXPECT_LT(distance / count, 0.27);
  }
}

// The bars of 100 % that test signals of HDTV have, as 8-bit codes; black, white and greys.
TEST_P(Yuv420p, PublishedColoursComeOut) {
  struct Colour {
    std::array<int, 3> rgb, yuv;
  };
  const Colour colours[] = {{{255, 255, 255}, {235, 128, 128}}, {{255, 255, 0}, {219, 16, 138}},
                            {{0, 255, 255}, {188, 154, 16}},    {{0, 255, 0}, {173, 42, 26}},
                            {{255, 0, 255}, {78, 214, 230}},    {{255, 0, 0}, {63, 102, 240}},
                            {{0, 0, 255}, {32, 240, 118}},      {{0, 0, 0}, {16, 128, 128}},
                            {{128, 128, 128}, {126, 128, 128}}, {{1, 1, 1}, {17, 128, 128}}};
  for (const Colour& colour : colours) {
    const Numbers y = planes_of_columns(2, [&](std::int64_t) { return colour.rgb; });
    const std::array<int, 3> found{static_cast<int>(y[0]), static_cast<int>(y[4]),
                                   static_cast<int>(y[5])};
    EXPECT_EQ(found, colour.yuv) << colour.rgb[0] << " " << colour.rgb[1] << " " << colour.rgb[2];
    for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ(y[i], y[0]);
  }
}

// Blue alone has 112 above the middle: 56 of half a weight, 28 of a quarter.
TEST_P(Yuv420p, ChromaSitsAtTheEvenColumnsAndSeesItsNeighbours) {
  constexpr std::int64_t width = 8;
  struct Case {
    std::int64_t column;
    std::array<int, 4> u;
  };
  for (const Case& wanted :
       {Case{0, {212, 128, 128, 128}}, Case{1, {156, 156, 128, 128}}, Case{2, {128, 184, 128, 128}},
        Case{5, {128, 128, 156, 156}}, Case{7, {128, 128, 128, 156}}}) {
    const Numbers y = planes_of_columns(width, [&](std::int64_t column) {
      return std::array<int, 3>{0, 0, column == wanted.column ? 255 : 0};
    });
    for (std::size_t i = 0; i < 4; ++i)
      EXPECT_EQ(y[2 * width + i], wanted.u[i])
          << "blue column " << wanted.column << ", sample " << i;
  }
}

TEST_P(Yuv420p, WrongShapesAndTypesAreRefused) {
  Numbers f(ElementType::f32, 200), u(ElementType::u8, 200);
  const auto status = [&](View x, View y) { return backend().frames_to_yuv420p(x, y, nullptr); };
  EXPECT_EQ(status(f.view({2, 2, 4, 3}), u.view({2, 12})), Status::ok);
  EXPECT_EQ(status(f.view({1, 3, 4, 3}), u.view({1, 18})), Status::bad_shape);
  EXPECT_EQ(status(f.view({1, 4, 3, 3}), u.view({1, 18})), Status::bad_shape);
  EXPECT_EQ(status(f.view({1, 2, 4, 4}), u.view({1, 12})), Status::bad_shape);
  EXPECT_EQ(status(f.view({2, 2, 4, 3}), u.view({1, 12})), Status::bad_shape);
  EXPECT_EQ(status(f.view({1, 2, 4, 3}), u.view({1, 24})), Status::bad_shape);
  EXPECT_EQ(status(f.view({1, 2, 4, 3}), u.view({1, 3, 4})), Status::bad_shape);
  EXPECT_EQ(status(f.view({2, 4, 3}), u.view({1, 12})), Status::bad_shape);
  EXPECT_EQ(status(f.view({1, 2, 4, 3}), f.view({1, 12})), Status::unsupported_type);
  EXPECT_EQ(status(u.view({1, 2, 4, 3}), u.view({1, 12})), Status::unsupported_type);
  View apart = f.view({2, 2, 4, 3});
  apart.stride[0] = 48;
  EXPECT_EQ(status(apart, u.view({2, 12})), Status::bad_shape);
  View planes_apart = u.view({2, 12});
  planes_apart.stride[0] = 16;
  EXPECT_EQ(status(f.view({2, 2, 4, 3}), planes_apart), Status::bad_shape);
}

TEST(Yuv420pOnHost, PairsOfYAreWrittenAtOnceAndAtEvenAddresses) {
  const kernels::Kernels* backend = cuda_on_host_kernels();
  if (backend == nullptr) GTEST_SKIP() << "fibres cannot be used";
  Numbers x(ElementType::f32, 3 * 2 * 6 * 3), y(ElementType::u8, 3 * 18 + 1);
  const std::int64_t before = cuda_on_host_work().vector_bytes;
  View planes = y.view({3, 18});
  EXPECT_EQ(backend->frames_to_yuv420p(x.view({3, 2, 6, 3}), planes, nullptr), Status::ok);
  EXPECT_EQ(cuda_on_host_work().vector_bytes - before, 3 * 2 * 6);
  planes.data = y.data() + 1;
  EXPECT_EQ(backend->frames_to_yuv420p(x.view({3, 2, 6, 3}), planes, nullptr), Status::bad_shape);
}

}  // namespace
}  // namespace causeway::testing
