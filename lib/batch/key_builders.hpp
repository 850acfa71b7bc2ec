// Builders of rows of the table of configuration keys, one per kind of value.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "batch/key_readers.hpp"

namespace causeway {

/// In all of them `field` is a callable that takes the configuration (const or not) and
/// returns a reference to the field.
template <class Field>
ConfigKey whole(std::string path, std::string comment, Field field, std::int64_t least,
                std::int64_t most) {
  return {std::move(path),
          std::move(comment),
          ConfigKey::Form::one_value,
          false,
          [=](KeyReading& reading, Config& config) {
            if (const auto number = read_whole(reading, reading.value(), least, most)) {
              field(config) = static_cast<int>(*number);
            }
          },
          [=](const Config& config) { return fmt::format("{}", field(config)); }};
}

template <class Field>
ConfigKey real(std::string path, std::string comment, Field field, double least, double most) {
  return {std::move(path),
          std::move(comment),
          ConfigKey::Form::one_value,
          false,
          [=](KeyReading& reading, Config& config) {
            if (const auto number = read_real(reading, reading.value(), least, most))
              field(config) = *number;
          },
          [=](const Config& config) { return fmt::format("{}", field(config)); }};
}

template <class Field>
ConfigKey on_off(std::string path, std::string comment, Field field) {
  return {std::move(path),
          std::move(comment),
          ConfigKey::Form::one_value,
          false,
          [=](KeyReading& reading, Config& config) {
            if (const auto on = read_switch(reading, reading.value())) field(config) = *on;
          },
          [=](const Config& config) { return std::string(field(config) ? "true" : "false"); }};
}

template <class Value, class Field>
ConfigKey choice(std::string path, std::string comment, Field field,
                 std::vector<std::pair<std::string, Value>> choices) {
  std::vector<std::string> names;
  for (const auto& entry : choices) names.push_back(entry.first);
  return {std::move(path),
          std::move(comment),
          ConfigKey::Form::one_value,
          false,
          [=](KeyReading& reading, Config& config) {
            if (const auto index = read_word(reading, reading.value(), names)) {
              field(config) = choices[*index].second;
            }
          },
          [=](const Config& config) {
            const auto found = std::find_if(choices.begin(), choices.end(), [&](const auto& entry) {
              return entry.second == field(config);
            });
            expects(found != choices.end(),
                    "a configuration holds only values that can be written");
            return found->first;
          }};
}

/// A path; a required one must not be empty.
template <class Field>
ConfigKey path_key(std::string path, std::string comment, Field field, bool required) {
  return {std::move(path),
          std::move(comment),
          ConfigKey::Form::text,
          required,
          [=](KeyReading& reading, Config& config) {
            const auto text = read_path(reading, reading.value());
            if (!text) return;
            if (required && text->empty()) {
              reading.complain(reading.value(), "the path is empty",
                               "write one; this key has no default");
              return;
            }
            field(config) = *text;
          },
          [=](const Config& config) { return yaml_text(field(config)); }};
}

}  // namespace causeway
