// A configuration as commented YAML, every default filled in.
#pragma once

#include <string>

#include "batch/config.hpp"

namespace causeway {

/// All keys with their values, each commented with meaning, unit and range. Reading the text gives
/// the same settings again (`same_settings`), from whatever folder, for paths in a Config are
/// absolute.
std::string print_config(const Config& config);

}  // namespace causeway
