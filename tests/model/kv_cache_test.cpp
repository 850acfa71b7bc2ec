// The cache's slot arithmetic against a literal simulation of the published eviction procedure.
#include "model/kv_cache.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace causeway {
namespace {

/// Self-Forcing's buffer as published: evict by moving, then append. Holds absolute token numbers.
class PublishedBuffer {
 public:
  PublishedBuffer(std::int64_t capacity, std::int64_t sink) : capacity_(capacity), sink_(sink) {}
  void append(std::int64_t count) {
    const auto size = static_cast<std::int64_t>(tokens_.size());
    if (size + count > capacity_) {
      const std::int64_t evicted = size + count - capacity_;
      tokens_.erase(tokens_.begin() + sink_, tokens_.begin() + sink_ + evicted);
    }
    for (std::int64_t i = 0; i < count; ++i) tokens_.push_back(next_++);
  }
  std::set<std::int64_t> visible() const { return {tokens_.begin(), tokens_.end()}; }

 private:
  std::int64_t capacity_, sink_, next_ = 0;
  std::vector<std::int64_t> tokens_;
};

void expect_same_tokens(std::int64_t window, std::int64_t sink, std::int64_t chunk,
                        std::int64_t frame) {
  const SlotMap slots(window * frame, sink * frame);
  PublishedBuffer buffer(window * frame, sink * frame);
  std::vector<std::int64_t> stored(static_cast<std::size_t>(window * frame), -1);
  for (std::int64_t first = 0; first < 40 * frame; first += chunk * frame) {
    buffer.append(chunk * frame);
    std::int64_t covered = 0;
    for (const auto& run : slots.place(first, chunk * frame)) {
      ASSERT_EQ(run.first, covered);
      covered += run.count;
      ASSERT_LE(run.slot + run.count, window * frame);
      for (std::int64_t i = 0; i < run.count; ++i) {
        stored[static_cast<std::size_t>(run.slot + i)] = first + run.first + i;
      }
    }
    ASSERT_EQ(covered, chunk * frame);
    const std::int64_t visible = slots.visible(first + chunk * frame);
    const std::set<std::int64_t> seen(stored.begin(), stored.begin() + visible);
    ASSERT_EQ(seen, buffer.visible())
        << "window " << window << " sink " << sink << " chunk " << chunk;
  }
}

TEST(SlotMap, ShowsTheSameTokensAsThePublishedEviction) {
  for (const std::int64_t chunk : {1, 2, 3}) {
    for (const std::int64_t sink : {0, 1, 2}) {
      for (std::int64_t window = chunk + sink; window <= 9; ++window)
        expect_same_tokens(window, sink, chunk, 5);
    }
  }
}

TEST(SlotMap, AChunkThatIsRunAgainTakesTheSameSlots) {
  const SlotMap slots(30, 5);
  const auto first = slots.place(45, 15), again = slots.place(45, 15);
  ASSERT_EQ(first.size(), again.size());
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i].slot, again[i].slot);
}

}  // namespace
}  // namespace causeway
