// Small structs from every rank to every rank, part by part as JSON. For the sources of lib/batch
// only.
#pragma once

#include <vector>

#include "batch/json_text.hpp"
#include "comm/comm.hpp"

namespace causeway {

/// What all ranks give, at all ranks; collective over `world`. `visit_parts(part, visit)` calls
/// `visit(name, member)` for every member, of a const Struct and of one to be filled.
template <class Struct, class VisitParts>
std::vector<Struct> share_parts(Communicator& world, const Struct& own, VisitParts&& visit_parts) {
  nlohmann::ordered_json sent;
  visit_parts(own, [&](const char* name, const auto& value) { sent[name] = value; });
  std::vector<Struct> all;
  for (const auto& message : world.all_gather(json_text(sent))) {
    const auto json = nlohmann::ordered_json::parse(message);
    visit_parts(all.emplace_back(),
                [&](const char* name, auto& value) { json.at(name).get_to(value); });
  }
  return all;
}

}  // namespace causeway
