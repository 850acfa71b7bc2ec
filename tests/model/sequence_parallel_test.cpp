// Token parts, rank grids and exchange plans: complete, balanced, and as large as the formula says.
#include "model/sequence_parallel.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace causeway {
namespace {

TEST(TokenPart, PartsAreContiguousAndDifferByAtMostOneToken) {
  for (const std::int64_t tokens : {0, 1, 7, 24, 4680}) {
    for (int ranks = 1; ranks <= 16; ++ranks) {
      std::int64_t next = 0, smallest = tokens, largest = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const TokenRange part = token_part(tokens, ranks, rank);
        EXPECT_EQ(part.first, next);
        next = part.end();
        smallest = std::min(smallest, part.count);
        largest = std::max(largest, part.count);
      }
      EXPECT_EQ(next, tokens);
      EXPECT_LE(largest - smallest, 1);
    }
  }
}

TEST(RankGrid, SplitsHeadsByTheLargestDivisorOfTheGroupThatDividesThem) {
  const auto head_parts = [](int ranks, std::int64_t heads) {
    return RankGrid(ranks, 0, heads).head_parts();
  };
  EXPECT_EQ(head_parts(1, 12), 1);
  EXPECT_EQ(head_parts(4, 12), 4);
  EXPECT_EQ(head_parts(5, 12), 1);
  EXPECT_EQ(head_parts(6, 12), 6);
  EXPECT_EQ(head_parts(7, 12), 1);
  EXPECT_EQ(head_parts(8, 12), 4);
  EXPECT_EQ(head_parts(16, 12), 4);
  EXPECT_EQ(head_parts(24, 12), 12);
  EXPECT_EQ(head_parts(8, 40), 8);
  EXPECT_EQ(RankGrid(16, 0, 12).query_parts(), 4);
  EXPECT_EQ(RankGrid(8, 5, 12).head_part(), 1);
  EXPECT_TRUE(RankGrid(8, 5, 12).same_row(4, 7));
  EXPECT_FALSE(RankGrid(8, 5, 12).same_row(3, 4));
}

std::int64_t sum(const std::vector<std::int64_t>& numbers) {
  std::int64_t total = 0;
  for (const auto n : numbers) total += n;
  return total;
}

TEST(ChunkLayout, EveryMessageIsExpectedWithItsLengthAndTheSumIsTheFormula) {
  constexpr std::int64_t heads = 12, head_dim = 16, tokens = 53;
  for (const int ranks : {1, 2, 3, 4, 5, 7, 8, 12, 16}) {
    std::vector<ChunkLayout> layouts;
    for (int rank = 0; rank < ranks; ++rank) {
      layouts.emplace_back(RankGrid(ranks, rank, heads), tokens, head_dim, 2);
    }
    for (int from = 0; from < ranks; ++from) {
      const auto& mine = layouts[static_cast<std::size_t>(from)];
      for (int to = 0; to < ranks; ++to) {
        const auto& other = layouts[static_cast<std::size_t>(to)];
        const auto f = static_cast<std::size_t>(from), t = static_cast<std::size_t>(to);
        EXPECT_EQ(mine.query_key_value().send_bytes[t], other.query_key_value().receive_bytes[f]);
        EXPECT_EQ(mine.key_value().send_bytes[t], other.key_value().receive_bytes[f]);
        EXPECT_EQ(mine.output().send_bytes[t], other.output().receive_bytes[f]);
        EXPECT_LE(mine.query_key_value().send_offset[t] + mine.query_key_value().send_bytes[t],
                  2 * mine.send_size());
        EXPECT_LE(mine.output().receive_offset[t] + mine.output().receive_bytes[t],
                  2 * mine.output_receive_size());
      }
      EXPECT_EQ(sum(mine.query_key_value().send_bytes) + sum(mine.output().send_bytes),
                bytes_sent_per_layer(ranks, from, heads, head_dim, tokens, 2));
      EXPECT_EQ(sum(mine.query_key_value().receive_bytes), 2 * mine.receive_size());
    }
  }
}

TEST(ChunkLayout, ThePartsAreThoseOfTheWholeAndLieWhereTheyAreReadFrom) {
  constexpr std::int64_t heads = 12, head_dim = 16, element_bytes = 2;
  for (const std::int64_t tokens : {1, 53}) {
    for (const int ranks : {1, 2, 3, 4, 5, 7, 8, 12, 16}) {
      for (int rank = 0; rank < ranks; ++rank) {
        const ChunkLayout layout(RankGrid(ranks, rank, heads), tokens, head_dim, element_bytes);
        const Exchange* const parts[] = {&layout.query(), &layout.key(), &layout.value()};
        for (int other = 0; other < ranks; ++other) {
          if (other == rank) continue;
          const auto r = static_cast<std::size_t>(other);
          const bool mate = layout.grid().same_row(rank, other);
          const Exchange& whole = layout.query_key_value();
          std::int64_t sent = whole.send_offset[r], received = whole.receive_offset[r];
          for (int which = 0; which < 3; ++which) {
            const Exchange& part = *parts[which];
            if (which == 0 && !mate) {
              EXPECT_EQ(part.send_bytes[r], 0);
              EXPECT_EQ(part.receive_bytes[r], 0);
              continue;
            }
            // One after the other, without a gap, each where the layout says.
            EXPECT_EQ(part.send_offset[r], sent);
            EXPECT_EQ(part.receive_offset[r], received);
            EXPECT_EQ(received, element_bytes * layout.received_offset(other, which));
            EXPECT_EQ(sent,
                      element_bytes * (layout.grid().head_part_of(other) * layout.send_stride() +
                                       which * layout.own().count * layout.part_width()));
            sent += part.send_bytes[r];
            received += part.receive_bytes[r];
          }
          EXPECT_EQ(sent, whole.send_offset[r] + whole.send_bytes[r]);
          EXPECT_EQ(received, whole.receive_offset[r] + whole.receive_bytes[r]);
          EXPECT_EQ(layout.key().send_bytes[r] + layout.value().send_bytes[r],
                    layout.key_value().send_bytes[r]);
        }
        for (const Exchange* const part : parts)
          EXPECT_EQ(part->send_bytes[static_cast<std::size_t>(rank)], 0);
        EXPECT_EQ(sum(layout.query().send_bytes) + sum(layout.key().send_bytes) +
                      sum(layout.value().send_bytes),
                  sum(layout.query_key_value().send_bytes));
      }
    }
  }
}

TEST(ChunkLayout, SendsWhatUlyssesSendsWhereTheGroupDividesTheHeads) {
  // 4·(4680·D·2/P)·(P − 1)/P bytes per rank and layer in bf16.
  EXPECT_EQ(bytes_sent_per_layer(1, 0, 12, 128, 4680, 2), 0);
  EXPECT_EQ(bytes_sent_per_layer(2, 1, 12, 128, 4680, 2), 14'376'960);
  EXPECT_EQ(bytes_sent_per_layer(4, 2, 12, 128, 4680, 2), 10'782'720);
  EXPECT_EQ(bytes_sent_per_layer(8, 7, 40, 128, 4680, 2), 20'966'400);
}

}  // namespace
}  // namespace causeway
