// Readers of single configuration values: whole numbers, real numbers, switches, words, texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "batch/config_keys.hpp"

namespace causeway {

/// Each reads one scalar; nothing is returned after a complaint to `reading` about `value`.
std::optional<std::int64_t> read_whole(KeyReading& reading, const ConfigValue& value,
                                       std::int64_t least, std::int64_t most);
std::optional<std::uint64_t> read_unsigned(KeyReading& reading, const ConfigValue& value);
std::optional<double> read_real(KeyReading& reading, const ConfigValue& value, double least,
                                double most);
std::optional<bool> read_switch(KeyReading& reading, const ConfigValue& value);
/// The index of the word in `choices`.
std::optional<std::size_t> read_word(KeyReading& reading, const ConfigValue& value,
                                     const std::vector<std::string>& choices);
std::optional<std::string> read_text(KeyReading& reading, const ConfigValue& value);

/// A path, absolute and without "." and "..": relative ones count from `reading.folder()`. An empty
/// text stays empty.
std::optional<std::string> read_path(KeyReading& reading, const ConfigValue& value);

}  // namespace causeway
