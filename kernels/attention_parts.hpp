// Into how many parts a library's attention may split its keys, so that few heads fill a GPU, too.
//
// An attention kernel gives each multiprocessor tiles of 128 queries of a head, one after the
// other. With few heads or queries the last round of tiles, or the only one, leaves most of them
// idle. Parts of the keys make as many tiles more, each of them shorter; what the parts give is
// then merged.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "kernels/cudnn_shapes.hpp"

namespace causeway::kernels {
namespace {

constexpr std::int64_t tile_queries = 128;
constexpr std::array<std::int64_t, 5> all_part_counts{2, 3, 4, 6, 8};
/// Splits that are tried: the likeliest. Each costs the making of its plans.
constexpr std::size_t splits_tried = 2;

inline std::int64_t tiles_of(const AttentionShape& s) {
  return (s.queries + tile_queries - 1) / tile_queries * s.heads;
}

/// How long attention in s.parts parts takes about, in times that a multiprocessor needs for one
/// tile and one key: some 12 ns on a H200.
///
///     ceil(tiles·parts / multiprocessors)·ceil(keys / parts)  +  tiles·parts + 250
///          rounds of tiles                 keys of each          merging, where there are parts
///
/// Merging moves 4·128·head_dim bytes for a tile and part through a memory that all share, at some
/// 5 TB/s; that is about one such time. It waits for the parts, and starts a kernel more: 3 µs.
inline std::int64_t attention_time(const AttentionShape& s, std::int64_t multiprocessors) {
  const std::int64_t tiles = tiles_of(s) * s.parts;
  const std::int64_t rounds = (tiles + multiprocessors - 1) / multiprocessors;
  return rounds * part_keys(s) + (s.parts == 1 ? 0 : tiles + 250);
}

/// Whether every part has keys, and none reaches beyond the slots of the cache: the library may
/// read what it masks.
inline bool can_be_split(const AttentionShape& s) {
  return !s.has_bias && s.parts <= all_part_counts.back() &&
         (s.parts - 1) * part_keys(s) < s.keys &&
         s.parts * part_keys(s) * s.head_dim <= s.kv_head_stride;
}

/// The numbers of parts that are worth a trial: 1, and then those that promise most.
inline std::vector<std::int64_t> part_counts(AttentionShape s, std::int64_t multiprocessors) {
  s.parts = 1;
  const std::int64_t whole = attention_time(s, multiprocessors);
  std::vector<std::pair<std::int64_t, std::int64_t>> promising;  // time and parts
  for (const std::int64_t parts : all_part_counts) {
    s.parts = parts;
    const std::int64_t time = attention_time(s, multiprocessors);
    if (can_be_split(s) && time < whole) promising.emplace_back(time, parts);
  }
  std::sort(promising.begin(), promising.end());
  if (promising.size() > splits_tried) promising.resize(splits_tried);
  std::vector<std::int64_t> counts{1};
  for (const auto& [time, parts] : promising) counts.push_back(parts);
  return counts;
}

}  // namespace
}  // namespace causeway::kernels
