// Reads keys of a published JSON configuration; errors name its owner, the key and the value.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace causeway {

/// One JSON object such as a `config.json`. Every getter throws Error(input) if the value is of the
/// wrong kind, or if the key is absent and no default was given.
class JsonConfig {
 public:
  /// `description` says whose configuration it is, e.g. "VAE configuration of /path".
  JsonConfig(const std::string& text, const std::string& description);
  ~JsonConfig();
  JsonConfig(JsonConfig&&) noexcept;
  JsonConfig& operator=(JsonConfig&&) noexcept;

  /// Neither absent nor null.
  bool has(std::string_view key) const;
  /// In [1, 2^31).
  std::int64_t count(std::string_view key, std::optional<std::int64_t> absent = {}) const;
  double number(std::string_view key, std::optional<double> absent = {}) const;
  bool flag(std::string_view key, std::optional<bool> absent = {}) const;
  std::string text(std::string_view key, std::optional<std::string> absent = {}) const;
  std::vector<std::int64_t> counts(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;
  std::vector<bool> flags(std::string_view key) const;
  /// Entries of the list at `key`; 0 if it is absent.
  std::size_t entries(std::string_view key) const;
  const std::string& description() const { return description_; }

 private:
  struct Document;
  std::unique_ptr<Document> document_;
  std::string description_;
};

}  // namespace causeway
