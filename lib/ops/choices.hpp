// What a backend found out about its own variants, kept for the next run on the same kind of
// device.
#pragma once

#include <filesystem>

#include "ops/ops.hpp"

namespace causeway {

/// The folder for such files: $CAUSEWAY_CACHE_DIR, else $XDG_CACHE_HOME/causeway, else
/// $HOME/.cache/causeway; empty where none of these is set.
std::filesystem::path choices_folder();

/// Hands the backend what an earlier run wrote into `folder`, if one did.
void load_choices(const Ops& ops, const std::filesystem::path& folder);

/// Writes what the backend knows now, in a file for its device and library; by way of another file,
/// so that readers never see half of it. Returns false where that was not possible: a run does not
/// need it.
bool save_choices(const Ops& ops, const std::filesystem::path& folder);

}  // namespace causeway
