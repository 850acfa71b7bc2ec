// One value of a configuration file as it was written, before anybody knows what it should be.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace causeway {

/// A node of the YAML tree, or the text after `=` of an option.
struct ConfigValue {
  enum class Kind { null, scalar, list, mapping };
  Kind kind = Kind::null;
  std::string text;                ///< of a scalar
  bool quoted = false;             ///< a scalar in quotes is a text, never a number
  std::vector<ConfigValue> items;  ///< of a list
  std::vector<std::pair<ConfigValue, ConfigValue>>
      entries;  ///< of a mapping: key (a scalar), value

  std::string place;  ///< "run.yaml:7", or the option: "--set video.frames=80"
  long line = 0;      ///< orders messages; options come after all lines
  bool from_command_line = false;
};

}  // namespace causeway
