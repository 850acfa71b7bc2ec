// Small text files read whole.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/utf8.hpp"

namespace causeway {

/// The bytes of a file without a leading UTF-8 byte-order mark. `what` names it in messages ("the
/// prompt list"). Throws Error(code) if it is missing, a folder, unreadable, UTF-16, or beyond
/// `most_bytes`.
std::string read_text_file(const std::filesystem::path& path, std::string_view what, ExitCode code,
                           std::size_t most_bytes);

}  // namespace causeway
