// Collecting problems and saying them all.
#include "batch/problems.hpp"

#include <algorithm>

namespace causeway {

void Problems::add(long line, std::string text) {
  const bool known = std::any_of(kept_.begin(), kept_.end(), [&](const Problem& problem) {
    return problem.line == line && problem.text == text;
  });
  if (known) return;
  if (kept_.size() < shown_) {
    kept_.push_back({line, std::move(text)});
  } else {
    ++more_;
  }
}

void Problems::throw_if_any(ExitCode code, std::string_view what) const {
  if (empty()) return;
  auto sorted = kept_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Problem& a, const Problem& b) { return a.line < b.line; });
  std::string text = fmt::format("{} has {} problem{}:", what, count(), count() == 1 ? "" : "s");
  for (const auto& problem : sorted) text += "\n  " + problem.text;
  if (more_ > 0) text += fmt::format("\n  … and {} more", more_);
  throw Error(code, text);
}

std::string in_quotes(std::string_view value) {
  constexpr std::size_t longest = 80;
  std::string text = "'";
  std::size_t end = std::min(value.size(), longest);
  // A multi-byte character is kept whole.
  while (end > 0 && end < value.size() && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80)
    --end;
  for (const char c : value.substr(0, end)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      text += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text + (end < value.size() ? "…'" : "'");
}

}  // namespace causeway
