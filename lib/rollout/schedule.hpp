// The few-step flow schedule: from nominal steps to timesteps and noise levels.
#pragma once

#include <vector>

namespace causeway {

/// One denoising step: the network sees `timestep`, the latents carry noise of level `sigma`.
struct DenoisingStep {
  float timestep = 0;
  float sigma = 0;
};

/// Shifted noise levels σ_k = shift·s/(1 + (shift − 1)·s), s = 1 − k/1000, k = 0 … 999, in float32.
std::vector<float> shifted_sigmas(double shift);

/// The steps of a rollout. `nominal` holds whole steps in (0, 1000], falling. With `warp` a nominal
/// step n becomes timestep T_{1000−n} = 1000·σ_{1000−n}; without, n itself. Each timestep's σ is
/// the σ_k whose T_k is nearest (the first such). Published values, shift 5: 1000, 750, 500, 250 →
/// timesteps 1000, 937.5, 833.33, 625.
std::vector<DenoisingStep> denoising_schedule(const std::vector<int>& nominal, bool warp,
                                              double shift);

}  // namespace causeway
