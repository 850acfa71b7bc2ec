// Noise levels of the shifted flow schedule.
#include "rollout/schedule.hpp"

#include <cmath>
#include <cstddef>

#include "core/error.hpp"

namespace causeway {
namespace {

constexpr int train_steps = 1000;

float nearest_sigma(float timestep, const std::vector<float>& sigmas) {
  std::size_t best = 0;
  for (std::size_t k = 1; k < sigmas.size(); ++k) {
    if (std::fabs(1000.0f * sigmas[k] - timestep) < std::fabs(1000.0f * sigmas[best] - timestep))
      best = k;
  }
  return sigmas[best];
}

}  // namespace

std::vector<float> shifted_sigmas(double shift) {
  const auto s = static_cast<float>(shift);
  std::vector<float> sigmas(train_steps);
  for (int k = 0; k < train_steps; ++k) {
    const auto level = static_cast<float>(1.0 - static_cast<double>(k) / train_steps);
    sigmas[static_cast<std::size_t>(k)] = s * level / (1.0f + (s - 1.0f) * level);
  }
  return sigmas;
}

std::vector<DenoisingStep> denoising_schedule(const std::vector<int>& nominal, bool warp,
                                              double shift) {
  const auto sigmas = shifted_sigmas(shift);
  std::vector<DenoisingStep> steps;
  for (const int n : nominal) {
    expects(n > 0 && n <= train_steps, "nominal steps lie in (0, 1000]");
    const float timestep =
        warp ? 1000.0f * sigmas[static_cast<std::size_t>(train_steps - n)] : static_cast<float>(n);
    steps.push_back({timestep, nearest_sigma(timestep, sigmas)});
  }
  return steps;
}

}  // namespace causeway
