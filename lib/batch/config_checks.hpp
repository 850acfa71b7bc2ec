// The checks that take more than one configuration key.
#pragma once

#include <map>
#include <string>

#include "batch/config.hpp"
#include "batch/config_value.hpp"
#include "batch/problems.hpp"

namespace causeway {

/// Adds every impossible combination of `config` to `problems`, at the place of the first key
/// concerned that was written down. `written` holds the written values by key path. Combinations of
/// which a key is in `broken` (it was complained about already) are passed over.
void check_combinations(const Config& config, const std::map<std::string, ConfigValue>& written,
                        const std::map<std::string, bool>& broken, Problems& problems);

}  // namespace causeway
