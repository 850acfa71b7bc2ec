// The JSON parts of safetensors files, as plain structs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace causeway {

/// One tensor as the header describes it; nothing but the JSON's structure has been checked.
struct SafetensorsEntry {
  std::string name;
  std::string type;                  ///< as written: "F32", "BF16", …
  std::vector<std::int64_t> shape;   ///< at most `max_rank` sizes, none negative
  std::uint64_t begin = 0, end = 0;  ///< bytes after the header
};

/// The entries of a header, in its order; `__metadata__` is left out. Throws Error(input) for text
/// that is not JSON of the prescribed structure, duplicate names included. `file` is for messages.
std::vector<SafetensorsEntry> parse_safetensors_header(std::string_view json,
                                                       const std::string& file);

/// The `weight_map` (tensor → file) of an index. Throws Error(input) as above.
std::map<std::string, std::string> parse_weight_map(std::string_view json, const std::string& file);

}  // namespace causeway
