// What the tests of whole videos share: a tiny checkpoint and a small video to ask for.
#pragma once

#include <string>

#include "rollout/rollout.hpp"

namespace causeway::testing {

inline const std::string tiny_checkpoint =
    std::string(CAUSEWAY_SOURCE_DIR) + "/tests/golden/oracle/tiny_diffusers";

inline VideoRequest small_request(std::int64_t latent_frames, std::uint64_t sample = 1) {
  VideoRequest request;
  request.seed = 3;
  request.sample = sample;
  request.latent_frames = latent_frames;
  request.latent_height = 4;
  request.latent_width = 6;
  request.prompts = {{0, "a cat"}};
  return request;
}

}  // namespace causeway::testing
