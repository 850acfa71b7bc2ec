// Rotary tables: published values, and the same rows wherever a chunk is cut.
#include "model/rope.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace causeway {
namespace {

/// cos or sin of one pair of the token at (frame, row, column), head size 128.
float entry(std::int64_t frame, std::int64_t row, std::int64_t column, std::int64_t pair,
            int part) {
  const std::int64_t rows = 200, columns = 200;
  const Tensor table = rope_table(128, frame, rows, columns, row * columns + column, 1);
  return table.f32()[2 * pair + part];
}

TEST(Rope, SharesPairsBetweenTimeHeightAndWidth) {
  const auto big = rope_pairs(128), small = rope_pairs(32);
  EXPECT_EQ(big.time, 22);
  EXPECT_EQ(big.height, 21);
  EXPECT_EQ(big.width, 21);
  EXPECT_EQ(small.time, 6);
  EXPECT_EQ(small.height, 5);
}

TEST(Rope, GivesThePublishedCosinesAndSines) {
  EXPECT_FLOAT_EQ(entry(1, 0, 0, 0, 0), 0.54030230586813977f);
  EXPECT_FLOAT_EQ(entry(1, 0, 0, 0, 1), 0.8414709848078965f);
  EXPECT_FLOAT_EQ(entry(1, 0, 0, 1, 0), 0.79125771813778545f);
  EXPECT_FLOAT_EQ(entry(1, 0, 0, 21, 1), 1.519911077107097e-04f);
  EXPECT_FLOAT_EQ(entry(0, 1, 0, 22, 0), 0.54030230586813977f);
  EXPECT_FLOAT_EQ(entry(0, 1, 0, 23, 1), 0.60115582734540185f);
  EXPECT_FLOAT_EQ(entry(20, 0, 0, 21, 1), 0.0030398174843190499f);
  EXPECT_FLOAT_EQ(entry(0, 0, 103, 44, 0), -0.89779380556031474f);
  EXPECT_FLOAT_EQ(entry(0, 0, 103, 44, 1), -0.4404160336517367f);
  EXPECT_EQ(entry(5, 1, 0, 43, 0), 1.0f) << "the width pairs see the column only";
}

TEST(Rope, ATokenHasTheSameRowWhereverTheChunkIsCut) {
  const Tensor whole = rope_table(24, 7, 3, 5, 0, 45);
  for (std::int64_t first = 0; first < 45; first += 4) {
    const std::int64_t count = std::min<std::int64_t>(4, 45 - first);
    const Tensor part = rope_table(24, 7, 3, 5, first, count);
    EXPECT_EQ(0, std::memcmp(part.data(), whole.rows(first, count).data, part.bytes()));
  }
}

}  // namespace
}  // namespace causeway
