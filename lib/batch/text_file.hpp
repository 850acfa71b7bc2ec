// Small text files read whole, and the check that text is UTF-8.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace causeway {

/// The bytes of a file without a leading UTF-8 byte-order mark. `what` names it in messages ("the
/// prompt list"). Throws Error(code) if it is missing, a folder, unreadable, UTF-16, or beyond
/// `most_bytes`.
std::string read_text_file(const std::filesystem::path& path, std::string_view what, ExitCode code,
                           std::size_t most_bytes);

/// Offset of the first byte that is not part of valid UTF-8 (RFC 3629: no overlong forms, no
/// surrogates, nothing past U+10FFFF); none if all is valid.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

}  // namespace causeway
