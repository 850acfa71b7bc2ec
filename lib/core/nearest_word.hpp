// The known word that somebody who wrote another one probably meant.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace causeway {

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`, letter case
/// aside (optimal string alignment distance).
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The nearest of `known`, or empty if none is near (more than a third of the letters differ).
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

}  // namespace causeway
