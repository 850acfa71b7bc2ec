// Printing the table of keys as YAML.
#include "batch/config_printer.hpp"

#include "batch/config_keys.hpp"

namespace causeway {

std::string print_config(const Config& config) {
  // Comments start in one column unless a value is longer.
  constexpr std::size_t comment_column = 44;
  std::string yaml =
      "# A configuration of causeway with every key it knows. Relative paths count from the folder "
      "of the "
      "file\n# they stand in; on the command line they count from the working directory.\n";
  std::string current;
  for (const auto& key : config_keys()) {
    const auto dot = key.path.find('.');
    const std::string section = dot == std::string::npos ? "" : key.path.substr(0, dot);
    if (section != current && !section.empty()) {
      for (const auto& each : config_sections()) {
        if (each.name == section) yaml += fmt::format("\n{}:  # {}\n", section, each.comment);
      }
    } else if (section != current) {
      yaml += "\n";
    }
    current = section;
    const std::string line =
        section.empty() ? fmt::format("{}: {}", key.path, key.print(config))
                        : fmt::format("  {}: {}", key.path.substr(dot + 1), key.print(config));
    yaml += fmt::format("{:<{}}  # {}\n", line, comment_column, key.comment);
  }
  return yaml;
}

}  // namespace causeway
