// Makes and checks the seals of latents files.
#include "output/latents_seal.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <vector>

namespace causeway {
namespace {

constexpr std::array<char, 8> mark{'C', 'W', 'S', 'E', 'A', 'L', '1', '\n'};

// Fowler, Noll, Vo: FNV-1a with 64 bits.
std::uint64_t hash_of(std::span<const std::byte> bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const std::byte byte : bytes)
    hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3u;
  return hash;
}

}  // namespace

LatentsSeal make_seal(std::span<const std::byte> head) {
  const std::uint64_t length = head.size(), hash = hash_of(head);
  LatentsSeal seal;
  std::memcpy(seal.data(), mark.data(), 8);
  std::memcpy(seal.data() + 8, &length, 8);
  std::memcpy(seal.data() + 16, &hash, 8);
  return seal;
}

SealState check_seal(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto size = static_cast<std::uint64_t>(std::max<std::streamoff>(0, file.tellg()));
  LatentsSeal seal{};
  if (size < seal.size()) return SealState::absent;
  file.seekg(-static_cast<std::streamoff>(seal.size()), std::ios::end);
  file.read(reinterpret_cast<char*>(seal.data()), seal.size());
  if (std::memcmp(seal.data(), mark.data(), 8) != 0) return SealState::absent;
  std::uint64_t length = 0;
  std::memcpy(&length, seal.data() + 8, 8);
  if (length > size - seal.size()) return SealState::broken;
  std::vector<std::byte> head(length);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(head.data()), static_cast<std::streamsize>(length));
  return file && make_seal(head) == seal ? SealState::right : SealState::broken;
}

}  // namespace causeway
