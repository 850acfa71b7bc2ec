// A list of everything that is wrong with one input, reported in one error.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace causeway {

/// Collects problems; keeps the first `shown` of them and counts the rest.
class Problems {
 public:
  explicit Problems(std::size_t shown = 50) : shown_(shown) {}

  /// One problem, as a full line of text; `line` is where it stands in the input (for the order
  /// only). The same text twice is one problem.
  void add(long line, std::string text);

  bool empty() const { return kept_.empty(); }
  std::size_t count() const { return kept_.size() + more_; }

  /// Throws Error(code, "WHAT has N problems:" and a line each, by line number) if there are any.
  void throw_if_any(ExitCode code, std::string_view what) const;

 private:
  struct Problem {
    long line;
    std::string text;
  };
  std::vector<Problem> kept_;
  std::size_t shown_;
  std::size_t more_ = 0;
};

/// `value` in single quotes for a message: control characters escaped, shortened when long.
std::string in_quotes(std::string_view value);

}  // namespace causeway
