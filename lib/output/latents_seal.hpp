// A checksum over the part of a latents file that HDF5 leaves without one: its texts.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <span>

namespace causeway {

// HDF5 keeps strings of variable length in "global heaps", which have no checksum, and HDF5 1.10
// overruns its own memory on damaged ones. So a latents file ends, behind what HDF5 counts as the
// file and where other readers do not look, in a seal: a mark of 8 bytes, the length of the head
// (all bytes before the first latents) and the head's 64-bit FNV-1a hash, both as 8 bytes,
// little-endian.

using LatentsSeal = std::array<std::byte, 24>;

LatentsSeal make_seal(std::span<const std::byte> head);

enum class SealState { absent, right, broken };

/// What the file's own seal says. A file that other software has rewritten has none.
SealState check_seal(const std::filesystem::path& path);

}  // namespace causeway
