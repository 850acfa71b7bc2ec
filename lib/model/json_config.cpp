// The JSON side of published configurations (nlohmann-json stays in this file).
#include "model/json_config.hpp"

#include <nlohmann/json.hpp>

namespace causeway {

using nlohmann::json;

struct JsonConfig::Document {
  json object;
};

namespace {

[[noreturn]] void wrong_kind(const std::string& description, std::string_view key,
                             const json& value, const char* wanted) {
  fail(ExitCode::input,
       "{}: key '{}' is '{}' (it must be {}); the file may belong to another model", description,
       key, value.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 80), wanted);
}

[[noreturn]] void missing(const std::string& description, std::string_view key) {
  fail(ExitCode::input,
       "{}: key '{}' is missing (it is needed to build the network); take the configuration file "
       "that was "
       "published with the weights",
       description, key);
}

std::int64_t count_of(const std::string& description, std::string_view key, const json& value) {
  if (!value.is_number_integer() || value.get<double>() < 1 ||
      value.get<double>() >= 2147483648.0) {
    wrong_kind(description, key, value, "a positive whole number");
  }
  return value.get<std::int64_t>();
}

const json* find(const json& object, std::string_view key) {
  const auto entry = object.find(key);
  return entry == object.end() || entry->is_null() ? nullptr : &*entry;
}

const json& list_at(const json& object, const std::string& description, std::string_view key) {
  const json* value = find(object, key);
  if (value == nullptr) missing(description, key);
  if (!value->is_array() || value->size() > 4096) wrong_kind(description, key, *value, "a list");
  return *value;
}

}  // namespace

JsonConfig::JsonConfig(const std::string& text, const std::string& description)
    : document_(std::make_unique<Document>()), description_(description) {
  document_->object = json::parse(text, nullptr, false);
  require(
      !document_->object.is_discarded() && document_->object.is_object(), ExitCode::input,
      "{}: '{}…' is not a JSON object (the file is damaged or of another kind); download it again",
      description, text.substr(0, 40));
}
JsonConfig::~JsonConfig() = default;
JsonConfig::JsonConfig(JsonConfig&&) noexcept = default;
JsonConfig& JsonConfig::operator=(JsonConfig&&) noexcept = default;

bool JsonConfig::has(std::string_view key) const { return find(document_->object, key) != nullptr; }

std::int64_t JsonConfig::count(std::string_view key, std::optional<std::int64_t> absent) const {
  const json* value = find(document_->object, key);
  if (value != nullptr) return count_of(description_, key, *value);
  if (!absent) missing(description_, key);
  return *absent;
}

double JsonConfig::number(std::string_view key, std::optional<double> absent) const {
  const json* value = find(document_->object, key);
  if (value == nullptr) {
    if (!absent) missing(description_, key);
    return *absent;
  }
  if (!value->is_number()) wrong_kind(description_, key, *value, "a number");
  return value->get<double>();
}

bool JsonConfig::flag(std::string_view key, std::optional<bool> absent) const {
  const json* value = find(document_->object, key);
  if (value == nullptr) {
    if (!absent) missing(description_, key);
    return *absent;
  }
  if (!value->is_boolean()) wrong_kind(description_, key, *value, "true or false");
  return value->get<bool>();
}

std::string JsonConfig::text(std::string_view key, std::optional<std::string> absent) const {
  const json* value = find(document_->object, key);
  if (value == nullptr) {
    if (!absent) missing(description_, key);
    return *absent;
  }
  if (!value->is_string()) wrong_kind(description_, key, *value, "a text");
  return value->get<std::string>();
}

std::vector<std::int64_t> JsonConfig::counts(std::string_view key) const {
  std::vector<std::int64_t> values;
  for (const json& entry : list_at(document_->object, description_, key)) {
    values.push_back(count_of(description_, key, entry));
  }
  return values;
}

std::vector<double> JsonConfig::numbers(std::string_view key) const {
  std::vector<double> values;
  for (const json& entry : list_at(document_->object, description_, key)) {
    if (!entry.is_number()) wrong_kind(description_, key, entry, "a number");
    values.push_back(entry.get<double>());
  }
  return values;
}

std::vector<bool> JsonConfig::flags(std::string_view key) const {
  std::vector<bool> values;
  for (const json& entry : list_at(document_->object, description_, key)) {
    if (!entry.is_boolean()) wrong_kind(description_, key, entry, "true or false");
    values.push_back(entry.get<bool>());
  }
  return values;
}

std::size_t JsonConfig::entries(std::string_view key) const {
  return has(key) ? list_at(document_->object, description_, key).size() : 0;
}

}  // namespace causeway
