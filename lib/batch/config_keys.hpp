// The table of every configuration key: its path, what it means, how it is read and printed.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "batch/config.hpp"
#include "batch/config_value.hpp"
#include "batch/problems.hpp"

namespace causeway {

/// Where a key's reader finds what it needs and leaves what it thinks.
class KeyReading {
 public:
  KeyReading(std::string_view path, const ConfigValue& value, const std::filesystem::path& folder,
             Problems& problems)
      : path_(path), value_(value), folder_(folder), problems_(problems) {}

  const ConfigValue& value() const { return value_; }
  /// Relative paths count from here.
  const std::filesystem::path& folder() const { return folder_; }
  bool complained() const { return complained_; }

  /// Adds "PLACE: KEY: SHOWN (why); advice" to the problems, at the place of `at`.
  void complain(const ConfigValue& at, std::string_view why, std::string_view advice);

 private:
  std::string_view path_;
  const ConfigValue& value_;
  const std::filesystem::path& folder_;
  Problems& problems_;
  bool complained_ = false;
};

struct ConfigKey {
  enum class Form { one_value, text, list, mapping };
  std::string path;     ///< "video.height"
  std::string comment;  ///< what it is, its unit and range: for people
  Form form;            ///< what the value is written as
  bool required;
  std::function<void(KeyReading&, Config&)> read;   ///< checks the value by itself and stores it
  std::function<std::string(const Config&)> print;  ///< as YAML
};

struct ConfigSection {
  std::string name;  ///< "video"
  std::string comment;
};

/// All keys, in the order in which they are printed; keys of one section follow each other.
const std::vector<ConfigKey>& config_keys();
const std::vector<ConfigSection>& config_sections();

/// How a value is shown in messages: its text, or "a list", "a mapping", "no value".
std::string shown(const ConfigValue& value);

/// `text` as a YAML scalar in double quotes.
std::string yaml_text(std::string_view text);

}  // namespace causeway
