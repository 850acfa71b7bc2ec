// How names and shapes that come from a file are shown in messages.
#include "checkpoint/wording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/nearest_word.hpp"

namespace causeway {
namespace {

constexpr std::size_t longest_shown = 160;

}  // namespace

std::string shown(std::string_view text) {
  std::string result;
  for (const char letter : text.substr(0, longest_shown)) {
    const auto code = static_cast<unsigned char>(letter);
    if (code < 0x20 || code == 0x7f) {
      result += fmt::format("\\x{:02x}", code);
    } else {
      result += letter;
    }
  }
  // A cut may have split a UTF-8 letter; its head alone would not print.
  if (text.size() > longest_shown) {
    while (!result.empty() && (static_cast<unsigned char>(result.back()) & 0xc0u) == 0x80u) {
      result.pop_back();
    }
    if (!result.empty() && static_cast<unsigned char>(result.back()) >= 0xc0u) result.pop_back();
    result += "…";
  }
  return result;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string shape_text(const ConstView& view) { return shape_text(shape_of(view)); }

std::vector<std::int64_t> shape_of(const ConstView& view) {
  return {view.shape.begin(), view.shape.begin() + view.rank};
}

std::vector<std::string> nearest_names(std::string_view wanted,
                                       const std::vector<std::string>& candidates,
                                       std::size_t count) {
  // Names longer than this are nobody's typing error, and would make the search slow.
  constexpr std::size_t longest_compared = 256;
  wanted = wanted.substr(0, longest_compared);
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const auto& candidate : candidates) {
    if (candidate.size() > longest_compared) continue;
    ranked.emplace_back(edit_distance(wanted, candidate), candidate);
  }
  const std::size_t kept = std::min(count, ranked.size());
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(kept),
                    ranked.end());
  std::vector<std::string> result;
  for (std::size_t i = 0; i < kept; ++i) result.push_back(ranked[i].second);
  return result;
}

}  // namespace causeway
