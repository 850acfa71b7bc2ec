// The unigram model of a tokenizer: scored pieces, and the best way to cut a word into them.
#include "model/unigram.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/error.hpp"

namespace causeway {
namespace {

constexpr double unknown_penalty = 10.0;

// Length in bytes of the character that begins with this byte (of valid UTF-8).
std::size_t character_length(char first) {
  const auto byte = static_cast<unsigned char>(first);
  if (byte < 0x80) return 1;
  if (byte < 0xE0) return 2;
  return byte < 0xF0 ? 3 : 4;
}

}  // namespace

PrefixTree::PrefixTree(const std::vector<std::string>& strings) {
  std::vector<std::int32_t> order(strings.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    const int compared =
        strings[static_cast<std::size_t>(a)].compare(strings[static_cast<std::size_t>(b)]);
    return compared != 0 ? compared < 0 : a < b;
  });
  const auto string_at = [&](std::size_t i) -> const std::string& {
    return strings[static_cast<std::size_t>(order[i])];
  };

  // Breadth first: a node owns the sorted strings [first, last) that agree in its first `depth`
  // bytes.
  struct Range {
    std::size_t first, last, depth;
  };
  std::vector<Range> ranges{{0, order.size(), 0}};
  nodes_.emplace_back();
  bytes_.push_back(0);
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    auto [first, last, depth] = ranges[n];
    while (first < last && string_at(first).size() == depth) {
      if (depth > 0) nodes_[n].index = order[first];
      ++first;
    }
    nodes_[n].first_child = static_cast<std::uint32_t>(nodes_.size());
    while (first < last) {
      const char byte = string_at(first)[depth];
      std::size_t end = first + 1;
      while (end < last && string_at(end)[depth] == byte) ++end;
      nodes_.emplace_back();
      bytes_.push_back(static_cast<std::uint8_t>(byte));
      ranges.push_back({first, end, depth + 1});
      ++nodes_[n].children;
      first = end;
    }
  }
}

std::uint32_t PrefixTree::child(std::uint32_t node, std::uint8_t byte) const {
  const auto first = bytes_.begin() + nodes_[node].first_child;
  const auto last = first + nodes_[node].children;
  const auto at = std::lower_bound(first, last, byte);
  return at != last && *at == byte ? static_cast<std::uint32_t>(at - bytes_.begin()) : 0;
}

UnigramModel::UnigramModel(const std::vector<std::string>& pieces, std::vector<double> scores,
                           std::int32_t unknown_id)
    : tree_(pieces), scores_(std::move(scores)), unknown_id_(unknown_id) {
  expects(!pieces.empty() && pieces.size() == scores_.size(), "every piece has a score");
  unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - unknown_penalty;
}

void UnigramModel::segment(std::string_view word, std::vector<std::int32_t>& ids) const {
  // The best known path that ends at each byte, and its last step.
  struct Step {
    double score = 0;
    std::int32_t id = -1;  // none yet
    std::uint32_t start = 0;
  };
  std::vector<Step> best(word.size() + 1);
  const auto offer = [&](std::size_t start, std::size_t end, std::int32_t id, double score) {
    const double total = best[start].score + score;
    // Of equal paths the first one found stays: the one whose last piece starts earliest.
    if (best[end].id < 0 || total > best[end].score) {
      best[end] = {total, id, static_cast<std::uint32_t>(start)};
    }
  };
  for (std::size_t start = 0; start < word.size();) {
    const std::size_t character = std::min(character_length(word[start]), word.size() - start);
    bool covered = false;
    tree_.for_each_prefix(word.substr(start), [&](std::size_t length, std::int32_t id) {
      offer(start, start + length, id, scores_[static_cast<std::size_t>(id)]);
      covered = covered || length == character;
    });
    if (!covered) offer(start, start + character, unknown_id_, unknown_score_);
    start += character;
  }

  const auto first = static_cast<std::ptrdiff_t>(ids.size());
  for (std::size_t end = word.size(); end > 0; end = best[end].start) {
    const std::int32_t id = best[end].id;
    const bool fused = id == unknown_id_ && static_cast<std::ptrdiff_t>(ids.size()) > first &&
                       ids.back() == unknown_id_;
    if (!fused) ids.push_back(id);
  }
  std::reverse(ids.begin() + first, ids.end());
}

}  // namespace causeway
