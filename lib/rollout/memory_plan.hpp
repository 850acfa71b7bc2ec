// What a run will allocate on a rank's device, before it does.
#pragma once

#include <cstdint>
#include <string>

#include "rollout/rollout.hpp"

namespace causeway {

/// Bytes on the device of one rank. `total` is the most that is held at one time: the parts, and
/// what comes and goes while networks run.
struct MemoryPlan {
  std::int64_t weights = 0, kv_cache = 0, contexts = 0, buffers = 0, vae_cache = 0;
  std::int64_t window = 0;  ///< of peer copies
  std::int64_t total = 0;
};

/// A run as far as its memory goes: the model and the largest video.
struct PlannedRun {
  std::string path, transformer_file;  ///< as Model's
  ElementType compute = ElementType::bf16;
  RolloutSettings settings;
  std::int64_t height = 0, width = 0;  ///< pixels
  std::int64_t latent_frames = 0;
  bool goes_on = false;         ///< from a given video, which is encoded
  bool by_peer_copies = false;  ///< is how the ranks of its job group exchange
  TextWeights text_weights = TextWeights::streamed;
};

/// Makes that video on a device that only counts, as rank `rank` of a job group of `ranks`, with
/// the sizes of the backend of `like`. Reads the checkpoint's headers and small weights, and
/// computes next to nothing. Throws as a run would, e.g. Error(input).
MemoryPlan plan_memory(const PlannedRun& run, const Ops& like, int rank, int ranks);

}  // namespace causeway
