// The self-attention cache of one video: a rolling window with a sink, one head part per rank.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/ops.hpp"

namespace causeway {

/// Where tokens go. Absolute token a lies in slot a while a < sink, else in slot
/// sink + (a − sink) mod (capacity − sink): the sink stays, the rest is a ring, and what is visible
/// after `end` tokens is the sink and the most recent capacity − sink tokens. Nothing is ever
/// moved.
class SlotMap {
 public:
  /// All in tokens; capacity − sink must hold the largest chunk.
  SlotMap(std::int64_t capacity, std::int64_t sink);

  struct Run {
    std::int64_t slot, first,
        count;  ///< tokens [first, first + count) of the request go to slots from slot
  };
  /// The at most three runs that hold absolute tokens [first_token, first_token + count).
  std::vector<Run> place(std::int64_t first_token, std::int64_t count) const;
  /// Slots in use once `end` absolute tokens have been written; they are always [0, visible).
  std::int64_t visible(std::int64_t end) const { return end < capacity_ ? end : capacity_; }
  std::int64_t capacity() const { return capacity_; }

 private:
  std::int64_t capacity_, sink_;
};

/// K and V of one rank's heads for every layer.
class KvCache {
 public:
  KvCache(const Ops& ops, std::int64_t layers, const KvLayout& layout, std::int64_t sink_tokens);

  const SlotMap& slots() const { return slots_; }
  KvStorage& layer(std::int64_t index) { return layers_[static_cast<std::size_t>(index)]; }
  /// Writes tokens [first_token, …) of k and v [tokens, heads, head_dim] into one layer.
  void store(const Ops& ops, std::int64_t layer, std::int64_t first_token, ConstView k,
             ConstView v);
  /// Forgets everything (a new video).
  void clear(const Ops& ops);
  std::size_t bytes() const;

 private:
  SlotMap slots_;
  std::vector<KvStorage> layers_;
};

}  // namespace causeway
