// What lies at a path: a checkpoint, a tensor file, latents, or a run.
#pragma once

#include <string>

namespace causeway {

/// A description for a person, or JSON. Throws Error(input) where nothing known lies at `path`.
std::string inspect(const std::string& path, bool as_json);

}  // namespace causeway
