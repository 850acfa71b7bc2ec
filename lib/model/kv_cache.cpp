// Slot arithmetic and storage of the self-attention cache.
#include "model/kv_cache.hpp"

#include <algorithm>

namespace causeway {
namespace {

ConstView token_rows(ConstView x, std::int64_t first, std::int64_t count) {
  x.data = static_cast<const char*>(x.data) +
           static_cast<std::size_t>(first * x.stride[0]) * bytes_of(x.type);
  x.shape[0] = count;
  return x;
}

}  // namespace

SlotMap::SlotMap(std::int64_t capacity, std::int64_t sink) : capacity_(capacity), sink_(sink) {
  expects(capacity > 0 && sink >= 0 && sink < capacity, "the window is larger than its sink");
}

std::vector<SlotMap::Run> SlotMap::place(std::int64_t first_token, std::int64_t count) const {
  std::vector<Run> runs;
  const std::int64_t ring = capacity_ - sink_;
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t token = first_token + done;
    const std::int64_t slot = token < sink_ ? token : sink_ + (token - sink_) % ring;
    const std::int64_t limit = token < sink_ ? sink_ : capacity_;
    const std::int64_t length = std::min(count - done, limit - slot);
    runs.push_back({slot, done, length});
    done += length;
  }
  return runs;
}

KvCache::KvCache(const Ops& ops, std::int64_t layers, const KvLayout& layout,
                 std::int64_t sink_tokens)
    : slots_(layout.capacity, sink_tokens) {
  for (std::int64_t i = 0; i < layers; ++i) layers_.push_back(ops.make_kv(layout));
}

void KvCache::store(const Ops& ops, std::int64_t layer, std::int64_t first_token, ConstView k,
                    ConstView v) {
  for (const auto& run : slots_.place(first_token, k.shape[0])) {
    ops.kv_store(layers_[static_cast<std::size_t>(layer)], token_rows(k, run.first, run.count),
                 token_rows(v, run.first, run.count), run.slot);
  }
}

void KvCache::clear(const Ops& ops) {
  for (auto& layer : layers_) ops.kv_clear(layer);
}

std::size_t KvCache::bytes() const {
  std::size_t total = 0;
  for (const auto& layer : layers_) total += layer.bytes();
  return total;
}

}  // namespace causeway
