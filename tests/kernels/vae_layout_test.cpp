// Up-sampling, weaving of frames, channel order and 8-bit frames against plain loops, on every CPU
// backend.
#include <gtest/gtest.h>

#include <vector>

#include "support/compare.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {
namespace {

using kernels::Status;

constexpr ElementType types[] = {ElementType::f32, ElementType::bf16};

struct Extent {
  std::int64_t t, h, w, c;
  std::size_t size() const { return static_cast<std::size_t>(t * h * w * c); }
  std::size_t at(std::int64_t ti, std::int64_t y, std::int64_t x, std::int64_t ch) const {
    return static_cast<std::size_t>(((ti * h + y) * w + x) * c + ch);
  }
};
const Extent extents[] = {{1, 1, 1, 1}, {2, 3, 5, 7}, {3, 4, 2, 96}, {1, 2, 33, 16}};

/// Calls f(t, y, x, c) for every element.
template <class F>
void for_each(const Extent& e, F f) {
  for (std::int64_t t = 0; t < e.t; ++t) {
    for (std::int64_t y = 0; y < e.h; ++y) {
      for (std::int64_t x = 0; x < e.w; ++x) {
        for (std::int64_t c = 0; c < e.c; ++c) f(t, y, x, c);
      }
    }
  }
}

class VaeLayout : public OnBackend {};
CAUSEWAY_ON_EVERY_BACKEND(VaeLayout);

TEST_P(VaeLayout, UpsamplingRepeatsEveryPixelTwiceBothWays) {
  for (const auto& e : extents) {
    for (const ElementType type : types) {
      const Extent out{e.t, 2 * e.h, 2 * e.w, e.c};
      Numbers x(type, random_normal(e.size(), 1)), y(type, out.size());
      ASSERT_EQ(backend().upsample_nearest_2x(x.view({e.t, e.h, e.w, e.c}),
                                              y.view({out.t, out.h, out.w, out.c}), nullptr),
                Status::ok);
      for_each(out, [&](auto t, auto row, auto column, auto c) {
        ASSERT_EQ(y[out.at(t, row, column, c)], x[e.at(t, row / 2, column / 2, c)]);
      });
    }
  }
}

TEST_P(VaeLayout, InterleavingMakesTheHalvesOfTheChannelsTwoFrames) {
  for (const auto& e : extents) {
    for (const ElementType type : types) {
      const Extent in{e.t, e.h, e.w, 2 * e.c}, out{2 * e.t, e.h, e.w, e.c};
      Numbers x(type, random_normal(in.size(), 2)), y(type, out.size());
      ASSERT_EQ(backend().interleave_time(x.view({in.t, in.h, in.w, in.c}),
                                          y.view({out.t, out.h, out.w, out.c}), nullptr),
                Status::ok);
      for_each(out, [&](auto t, auto row, auto column, auto c) {
        ASSERT_EQ(y[out.at(t, row, column, c)], x[in.at(t / 2, row, column, t % 2 * e.c + c)]);
      });
    }
  }
}

TEST_P(VaeLayout, ChannelsGoLastAndFirstWithScaleAndShiftInTheirOrder) {
  for (const auto& e : extents) {
    const auto factors = random_normal(static_cast<std::size_t>(e.c), 3);
    const auto shifts = random_normal(static_cast<std::size_t>(e.c), 4);
    const Extent first{e.c, e.t, e.h, e.w};
    for (const ElementType type : types) {
      for (const int what : {0, 1, 2, 3}) {
        const float* scale = (what & 1) != 0 ? factors.data() : nullptr;
        const float* shift = (what & 2) != 0 ? shifts.data() : nullptr;
        Numbers latents(ElementType::f32, random_normal(e.size(), 5)), last(type, e.size());
        ASSERT_EQ(backend().to_channels_last({latents.view({e.c, e.t, e.h, e.w}), scale, shift,
                                              last.view({e.t, e.h, e.w, e.c})},
                                             nullptr),
                  Status::ok);
        Numbers expected(type, e.size()), back(ElementType::f32, e.size());
        Numbers expected_back(ElementType::f32, e.size());
        ASSERT_EQ(backend().to_channels_first({last.view({e.t, e.h, e.w, e.c}), scale, shift,
                                               back.view({e.c, e.t, e.h, e.w})},
                                              nullptr),
                  Status::ok);
        for_each(e, [&](auto t, auto row, auto column, auto c) {
          const float factor = scale == nullptr ? 1.0f : scale[c];
          const float offset = shift == nullptr ? 0.0f : shift[c];
          const auto at_last = e.at(t, row, column, c), at_first = first.at(c, t, row, column);
          expected.set(at_last, latents[at_first] * factor + offset);
          expected_back.set(at_first, (last[at_last] + offset) * factor);
        });
        EXPECT_EQ(last, expected);
        EXPECT_EQ(back, expected_back);
      }
    }
  }
}

TEST_P(VaeLayout, BytesBecomeFramesBetweenMinusOneAndOne) {
  Numbers x(ElementType::u8, 3 * 256);
  for (std::size_t i = 0; i < x.size(); ++i) x.set(i, static_cast<float>(i % 256));
  for (const ElementType type : types) {
    Numbers y(type, x.size()), expected(type, x.size());
    ASSERT_EQ(backend().rgb8_to_frames(x.view({2, 4, 32, 3}), y.view({2, 4, 32, 3}), nullptr),
              Status::ok);
    for (std::size_t i = 0; i < x.size(); ++i) expected.set(i, x[i] / 127.5f - 1.0f);
    EXPECT_EQ(y, expected);
    EXPECT_EQ(y[0], -1.0f);
    EXPECT_EQ(y[255], 1.0f);
  }
}

TEST_P(VaeLayout, WrongShapesAndTypesAreRefused) {
  Numbers f(ElementType::f32, 96), b(ElementType::bf16, 96), u(ElementType::u8, 96);
  const auto& k = backend();
  EXPECT_EQ(k.upsample_nearest_2x(f.view({1, 2, 2, 3}), f.view({1, 4, 2, 3}), nullptr),
            Status::bad_shape);
  EXPECT_EQ(k.upsample_nearest_2x(f.view({1, 2, 2, 3}), b.view({1, 4, 4, 3}), nullptr),
            Status::unsupported_type);
  EXPECT_EQ(k.interleave_time(f.view({1, 2, 2, 3}), f.view({2, 2, 2, 1}), nullptr),
            Status::bad_shape);
  EXPECT_EQ(k.interleave_time(u.view({1, 2, 2, 4}), u.view({2, 2, 2, 2}), nullptr),
            Status::unsupported_type);
  EXPECT_EQ(
      k.to_channels_last({f.view({2, 1, 3, 4}), nullptr, nullptr, f.view({1, 3, 4, 3})}, nullptr),
      Status::bad_shape);
  EXPECT_EQ(
      k.to_channels_last({b.view({2, 1, 3, 4}), nullptr, nullptr, f.view({1, 3, 4, 2})}, nullptr),
      Status::unsupported_type);
  EXPECT_EQ(
      k.to_channels_first({f.view({1, 3, 4, 2}), nullptr, nullptr, b.view({2, 1, 3, 4})}, nullptr),
      Status::unsupported_type);
  EXPECT_EQ(k.rgb8_to_frames(u.view({1, 2, 2, 4}), f.view({1, 2, 2, 4}), nullptr),
            Status::bad_shape);
  EXPECT_EQ(k.rgb8_to_frames(f.view({1, 2, 2, 3}), f.view({1, 2, 2, 3}), nullptr),
            Status::unsupported_type);
}

}  // namespace
}  // namespace causeway::testing
