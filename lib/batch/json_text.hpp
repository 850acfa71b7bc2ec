// JSON as text, whatever bytes its strings hold. For the sources of lib/batch only.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace causeway {

/// On one line, or indented. Bytes that are no UTF-8 (file names may hold any) are replaced.
template <class Json>
std::string json_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace causeway
