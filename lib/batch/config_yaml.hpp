// YAML text into a tree of ConfigValues; behind it stands yaml-cpp, which nobody else includes.
#pragma once

#include <optional>
#include <string>

#include "batch/config_value.hpp"
#include "batch/problems.hpp"

namespace causeway {

/// The mapping that `text` holds, with aliases followed and merge keys (`<<`) applied. Adds to
/// `problems` and returns nothing if the text is not YAML, is empty, or is no mapping; adds a
/// problem for every key that stands twice in one mapping and keeps the first. Places read
/// "NAME:LINE".
std::optional<ConfigValue> parse_yaml_mapping(const std::string& text, const std::string& name,
                                              Problems& problems);

/// The value that the text of an option holds; all places are `option`.
std::optional<ConfigValue> parse_yaml_option(const std::string& text, const std::string& option,
                                             long line, Problems& problems);

}  // namespace causeway
