// From written values to a checked configuration.
#include "batch/config_reader.hpp"

#include <algorithm>
#include <map>

#include "batch/config_checks.hpp"
#include "batch/config_keys.hpp"
#include "batch/config_yaml.hpp"
#include "core/nearest_word.hpp"
#include "batch/text_file.hpp"

namespace causeway {
namespace {

/// A configuration is a page of text; whoever gives a checkpoint in its place should not wait for
/// it.
constexpr std::size_t most_config_bytes = 1 << 20;
/// Options come after all lines of the file.
constexpr long option_line = 1L << 40;

std::string leaf(const std::string& path) { return path.substr(path.rfind('.') + 1); }

bool is_section(const std::string& path) {
  const auto& sections = config_sections();
  return std::any_of(sections.begin(), sections.end(),
                     [&](const ConfigSection& section) { return section.name == path; });
}

const ConfigKey* find_key(const std::string& path) {
  const auto& keys = config_keys();
  const auto found = std::find_if(keys.begin(), keys.end(),
                                  [&](const ConfigKey& key) { return key.path == path; });
  return found == keys.end() ? nullptr : &*found;
}

/// The names of the keys of a section, without the section's.
std::vector<std::string> keys_of_section(const std::string& section) {
  std::vector<std::string> names;
  for (const auto& key : config_keys()) {
    if (key.path.starts_with(section + ".")) names.push_back(leaf(key.path));
  }
  return names;
}

std::string its_keys(const std::string& section) {
  return fmt::format("its keys are {}", fmt::join(keys_of_section(section), ", "));
}

/// "nearest: video.height", or the list of what there is.
std::string nearest_key(const std::string& path) {
  std::vector<std::string> paths, leaves;
  const std::string section = path.substr(0, path.find('.'));
  const auto siblings = keys_of_section(section);
  for (const auto& key : config_keys()) {
    paths.push_back(key.path);
    leaves.push_back(leaf(key.path));
  }
  for (const auto& each : config_sections()) paths.push_back(each.name);
  // In a section that exists, its own keys come first; then a key of that name that stands
  // elsewhere.
  if (is_section(section) && path != section) {
    const auto near = nearest_word(path.substr(section.size() + 1), siblings);
    if (!near.empty()) return fmt::format("nearest: {}.{}", section, near);
  }
  const auto same = std::find(leaves.begin(), leaves.end(), leaf(path));
  if (same != leaves.end()) {
    return "nearest: " + paths[static_cast<std::size_t>(same - leaves.begin())];
  }
  if (const auto near = nearest_word(path, paths); !near.empty()) return "nearest: " + near;
  if (const auto near = nearest_word(leaf(path), leaves); !near.empty()) {
    const auto index = std::find(leaves.begin(), leaves.end(), near) - leaves.begin();
    return "nearest: " + paths[static_cast<std::size_t>(index)];
  }
  if (is_section(section) && path != section) return its_keys(section);
  return "'causeway generate --print-config' shows all keys";
}

class Reader {
 public:
  Reader(const ConfigSource& source, Problems& problems) : source_(source), problems_(problems) {}

  void file() {
    const auto root = parse_yaml_mapping(source_.text, source_.name, problems_);
    if (root) {
      walk(*root, "");
    } else {
      unreadable_ = true;
    }
  }

  void overrides(const ConfigOverrides& overrides) {
    may_be_incomplete_ = overrides.may_be_incomplete;
    ranks_ = overrides.ranks;
    for (std::size_t i = 0; i < overrides.set.size(); ++i)
      set(overrides.set[i], static_cast<long>(i));
    const auto path = [&](const char* key, const char* option,
                          const std::optional<std::string>& value) {
      if (value)
        written_[key] = from_option(*value, fmt::format("{} {}", option, in_quotes(*value)), 0);
    };
    path("prompts", "--prompts", overrides.prompts);
    path("output", "--out", overrides.output);
  }

  Config config() {
    Config config;
    std::map<std::string, bool> broken;
    const std::filesystem::path here;
    for (const auto& key : config_keys()) {
      const auto found = written_.find(key.path);
      if (found == written_.end()) {
        // Of a file that is no YAML nothing is known; its keys are not "missing".
        if (key.required && !unreadable_ && !may_be_incomplete_) missing(key);
        continue;
      }
      const ConfigValue& value = found->second;
      KeyReading reading(key.path, value, value.from_command_line ? here : source_.folder,
                         problems_);
      key.read(reading, config);
      if (reading.complained()) broken[key.path] = true;
      config.places[key.path] = value.place;
    }
    check_combinations(config, written_, broken, problems_);
    if (ranks_ && !broken["parallel.group_size"]) {
      if (const auto problem = group_size_problem(config, *ranks_); !problem.empty()) {
        const auto found = written_.find("parallel.group_size");
        problems_.add(found == written_.end() ? 0 : found->second.line, problem);
      }
    }
    return config;
  }

 private:
  void walk(const ConfigValue& mapping, const std::string& prefix) {
    for (const auto& [key, value] : mapping.entries) {
      const std::string path = prefix + key.text;
      if (find_key(path) != nullptr && key.text.find('.') == std::string::npos) {
        auto& written = written_[path] = value;
        // A value on a line of its own is still found by the line of its key.
        written.line = key.line;
        written.place = key.place;
      } else if (prefix.empty() && is_section(path)) {
        section(key, value);
      } else if (prefix.empty() && find_key(path) != nullptr) {
        problems_.add(key.line,
                      fmt::format("{}: {}: unknown key (a path with dots is for --set); write "
                                  "'{}:' and under it '{}: …'",
                                  key.place, path, path.substr(0, path.find('.')), leaf(path)));
      } else {
        problems_.add(key.line,
                      fmt::format("{}: {}: unknown key; {}", key.place,
                                  path.size() < 100 ? path : in_quotes(path), nearest_key(path)));
      }
    }
  }

  void section(const ConfigValue& key, const ConfigValue& value) {
    if (value.kind == ConfigValue::Kind::mapping) {
      walk(value, key.text + ".");
    } else if (value.kind != ConfigValue::Kind::null) {  // an empty section has only defaults
      problems_.add(key.line, fmt::format("{}: {}: {} (a mapping of keys is expected); {}",
                                          key.place, key.text, shown(value), its_keys(key.text)));
    }
  }

  static ConfigValue from_option(const std::string& text, const std::string& option, long index) {
    ConfigValue value;
    value.kind = ConfigValue::Kind::scalar;
    value.text = text;
    value.place = option;
    value.line = option_line + index;
    value.from_command_line = true;
    return value;
  }

  /// One "key.path=value".
  void set(const std::string& option, long index) {
    const std::string place =
        "--set " + (option.find_first_of(" \n\t") == std::string::npos && !option.empty()
                        ? option
                        : in_quotes(option));
    const auto equals = option.find('=');
    if (equals == std::string::npos || equals == 0) {
      problems_.add(option_line + index,
                    fmt::format("{}: not of the form key.path=value; write e.g. "
                                "--set video.frames=81",
                                place));
      return;
    }
    const std::string path = option.substr(0, equals);
    const std::string text = option.substr(equals + 1);
    if (const auto* key = find_key(path)) {
      set_key(*key, text, place, index);
    } else if (const auto* parent = find_key(path.substr(0, path.rfind('.')));
               parent != nullptr && parent->form == ConfigKey::Form::mapping) {
      set_entry(parent->path, leaf(path), from_option(text, place, index));
    } else if (is_section(path)) {
      problems_.add(option_line + index,
                    fmt::format("{}: {} is a section; set its keys one by one: {}", place, path,
                                its_keys(path)));
    } else {
      problems_.add(option_line + index,
                    fmt::format("{}: {}: unknown key; {}", place, path, nearest_key(path)));
    }
  }

  void set_key(const ConfigKey& key, const std::string& text, const std::string& place,
               long index) {
    if (key.form == ConfigKey::Form::one_value || key.form == ConfigKey::Form::text) {
      written_[key.path] = from_option(text, place, index);
      return;
    }
    const char open = key.form == ConfigKey::Form::list ? '[' : '{';
    const char close = key.form == ConfigKey::Form::list ? ']' : '}';
    const bool bare = text.empty() || text.find_first_not_of(' ') == std::string::npos ||
                      text[text.find_first_not_of(' ')] != open;
    const auto value =
        parse_yaml_option(bare ? open + text + close : text, place, option_line + index, problems_);
    if (value) written_[key.path] = *value;
  }

  void set_entry(const std::string& path, const std::string& name, const ConfigValue& value) {
    auto& mapping = written_[path];
    if (mapping.kind != ConfigValue::Kind::mapping) {
      mapping = value;
      mapping.kind = ConfigValue::Kind::mapping;
    }
    const auto found = std::find_if(mapping.entries.begin(), mapping.entries.end(),
                                    [&](const auto& entry) { return entry.first.text == name; });
    if (found != mapping.entries.end()) {
      found->second = value;
      return;
    }
    ConfigValue key = value;
    key.text = name;
    mapping.entries.emplace_back(key, value);
  }

  void missing(const ConfigKey& key) {
    std::string advice = fmt::format("add '{}: PATH'", key.path);
    if (key.path == "model.path") advice = "add 'model: {path: FOLDER}' (a checkpoint folder)";
    if (key.path == "prompts") advice = "add 'prompts: FILE' or give --prompts FILE";
    if (key.path == "output") advice = "add 'output: FOLDER' or give --out FOLDER";
    problems_.add(0, fmt::format("{}: {}: missing (this key has no default); {}", source_.name,
                                 key.path, advice));
  }

  const ConfigSource& source_;
  Problems& problems_;
  std::map<std::string, ConfigValue> written_;  ///< by key path
  bool unreadable_ = false;
  bool may_be_incomplete_ = false;
  std::optional<int> ranks_;
};

}  // namespace

Config parse_config(const ConfigSource& source, const ConfigOverrides& overrides) {
  Problems problems;
  Reader reader(source, problems);
  reader.file();
  reader.overrides(overrides);
  Config config = reader.config();
  problems.throw_if_any(ExitCode::usage, fmt::format("the configuration '{}'", source.name));
  return config;
}

Config read_config(const std::filesystem::path& file, const ConfigOverrides& overrides) {
  const std::string text =
      read_text_file(file, "the configuration", ExitCode::usage, most_config_bytes);
  return parse_config({text, file.string(), file.parent_path()}, overrides);
}

}  // namespace causeway
