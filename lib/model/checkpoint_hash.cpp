// The hash that says which weights made a sample.
#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "model/model.hpp"

namespace causeway {
namespace {

struct StateDeleter {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

void add_file(XXH3_state_t* state, const std::string& path, std::vector<char>& buffer) {
  const std::string name = std::filesystem::path(path).filename().string();
  XXH3_128bits_update(state, name.data(), name.size());
  std::ifstream file(path, std::ios::binary);
  require(file.good(), ExitCode::input, "cannot read '{}' to hash it; check that it is still there",
          path);
  std::uint64_t bytes = 0;
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) ||
         file.gcount() > 0) {
    XXH3_128bits_update(state, buffer.data(), static_cast<std::size_t>(file.gcount()));
    bytes += static_cast<std::uint64_t>(file.gcount());
  }
  require(!file.bad(), ExitCode::input, "reading '{}' to hash it failed; check the file system",
          path);
  // The length keeps the bytes of neighbouring files apart.
  XXH3_128bits_update(state, &bytes, sizeof bytes);
}

}  // namespace

std::string checkpoint_hash(const CheckpointFolder& folder) {
  const std::unique_ptr<XXH3_state_t, StateDeleter> state(XXH3_createState());
  XXH3_128bits_reset(state.get());
  std::vector<char> buffer(std::size_t{4} << 20);
  for (const auto* store : {&folder.transformer, &folder.vae, &folder.text_encoder}) {
    if (*store == nullptr) continue;
    auto files = (*store)->files();
    std::sort(files.begin(), files.end());
    for (const auto& file : files) add_file(state.get(), file, buffer);
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace causeway
