// The kernel's yuv420p beside what libswscale makes of the same RGB.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "output/libav_handles.hpp"
#include "output/pictures.hpp"

namespace causeway::testing {
namespace {

constexpr int height = 96, width = 160;
constexpr std::size_t pixels = std::size_t{height} * width;

/// RGB24 to yuv420p, BT.709, limited range, chroma sited left; accurate, with its bicubic filter.
std::vector<std::uint8_t> by_libswscale(const std::vector<std::uint8_t>& rgb) {
  const libav::Scaler scaler(sws_alloc_context());
  const auto set = [&](const char* option, int value) {
    EXPECT_GE(av_opt_set_int(scaler.get(), option, value, 0), 0) << option;
  };
  set("sws_flags",
      SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_BITEXACT);
  for (const char* side : {"srcw", "dstw"}) set(side, width);
  for (const char* side : {"srch", "dsth"}) set(side, height);
  set("src_format", AV_PIX_FMT_RGB24);
  set("dst_format", AV_PIX_FMT_YUV420P);
  set("src_range", 1);
  set("dst_range", 0);
  set("src_h_chr_pos", -513);  // not subsampled
  set("src_v_chr_pos", -513);
  set("dst_h_chr_pos", 0);  // in 1/256 of a luma sample
  set("dst_v_chr_pos", 128);
  EXPECT_GE(sws_init_context(scaler.get(), nullptr, nullptr), 0);
  const int* matrix = sws_getCoefficients(SWS_CS_ITU709);
  EXPECT_GE(sws_setColorspaceDetails(scaler.get(), matrix, 1, matrix, 0, 0, 1 << 16, 1 << 16), 0);
  std::vector<std::uint8_t> planes(pixels / 2 * 3);
  const std::uint8_t* from[] = {rgb.data()};
  const int from_stride[] = {3 * width}, to_stride[] = {width, width / 2, width / 2};
  std::uint8_t* to[] = {planes.data(), planes.data() + pixels, planes.data() + pixels / 4 * 5};
  EXPECT_EQ(sws_scale(scaler.get(), from, from_stride, 0, height, to, to_stride), height);
  return planes;
}

/// Greatest distance of the bytes in [first, end).
int distance(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b,
             std::size_t first, std::size_t end) {
  int most = 0;
  for (std::size_t i = first; i < end; ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

TEST(Yuv420pBesideLibswscale, SmoothPicturesAreTheSameButForRounding) {
  for (const double waves : {2.0, 5.0}) {
    std::vector<std::uint8_t> rgb;
    for (int row = 0; row < height; ++row) {
      for (int column = 0; column < width; ++column) {
        const double u = waves * column / width, v = waves * row / height;
        for (const double value : {std::sin(3 * u + v), std::sin(2 * v - u), std::cos(2 * u * v)})
          rgb.push_back(static_cast<std::uint8_t>(127.5 + 127 * value));
      }
    }
    const auto mine = yuv420p_of(rgb, height, width), theirs = by_libswscale(rgb);
    EXPECT_LE(distance(mine, theirs, 0, pixels), 1) << waves;
    EXPECT_LE(distance(mine, theirs, pixels, mine.size()), 3) << waves;
  }
}

TEST(Yuv420pBesideLibswscale, FlatColoursAreTheSameWithinOne) {
  for (int colour = 0; colour < 27; ++colour) {
    std::vector<std::uint8_t> rgb;
    for (std::size_t i = 0; i < pixels; ++i) {
      for (const int digit : {colour % 3, colour / 3 % 3, colour / 9})
        rgb.push_back(static_cast<std::uint8_t>(digit * 255 / 2));
    }
    const auto mine = yuv420p_of(rgb, height, width), theirs = by_libswscale(rgb);
    EXPECT_LE(distance(mine, theirs, 0, mine.size()), 1) << colour;
  }
}

}  // namespace
}  // namespace causeway::testing
