// Reading a configuration: YAML text and the command line's overrides in, a checked Config out.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "batch/config.hpp"

namespace causeway {

/// What the command line says on top of the file. Relative paths in it count from the working
/// directory.
struct ConfigOverrides {
  std::vector<std::string>
      set;  ///< "key.path=value", as after --set; of equal keys the last counts
  std::optional<std::string> prompts;  ///< --prompts FILE
  std::optional<std::string> output;   ///< --out DIR
  std::optional<int> ranks;            ///< of the job; the group size must divide them
  bool may_be_incomplete = false;  ///< keys without a default may be missing (to be shown, not run)
};

/// A configuration as text.
struct ConfigSource {
  std::string text;  ///< YAML
  std::string name;  ///< what messages call it, e.g. the path as the user wrote it
  std::filesystem::path
      folder;  ///< relative paths in it count from here; empty: the working directory
};

/// Reads and checks. Throws one Error(usage) that lists all problems, a line each:
/// "FILE:LINE: key.path: value (why it is wrong); nearest valid choice".
Config parse_config(const ConfigSource& source, const ConfigOverrides& overrides = {});

/// The same for a file. Relative paths in a file count from the file's own folder.
Config read_config(const std::filesystem::path& file, const ConfigOverrides& overrides = {});

}  // namespace causeway
