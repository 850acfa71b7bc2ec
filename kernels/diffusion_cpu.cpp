// The sampler's arithmetic and the ways between latents and tokens; bit for bit the same on every
// CPU.
#include "kernels/cpu_backend.hpp"
#include "kernels/patch_cpu.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {

Status flow_to_x0(const FlowToX0Args& args, Stream) {
  const std::int64_t channels = args.geometry.channels;
  const std::int64_t patch = args.geometry.patch();
  if (channels <= 0 || patch <= 0 || args.tokens < 0) return Status::bad_shape;
  const double sigma = static_cast<double>(args.sigma);
#pragma omp parallel for schedule(static) if (args.tokens * channels * patch > parallel_grain)
  for (std::int64_t t = 0; t < args.tokens; ++t) {
    const float* x = args.x + t * channels * patch;
    const float* v = args.v + t * channels * patch;
    float* x0 = args.x0 + t * channels * patch;
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t p = 0; p < patch; ++p) {
        // The product of two floats is exact in float64, so there is one rounding before the last.
        const double step = sigma * static_cast<double>(v[p * channels + c]);
        x0[c * patch + p] = static_cast<float>(static_cast<double>(x[c * patch + p]) - step);
      }
    }
  }
  return Status::ok;
}

Status renoise(const RenoiseArgs& args, Stream) {
  if (args.count < 0) return Status::bad_shape;
  const float sigma = args.sigma;
  const float keep = 1.0f - sigma;
  const float* x0 = args.x0;
  const float* noise = args.noise;
  float* x = args.x;
#pragma omp parallel for schedule(static) if (args.count > parallel_grain)
  for (std::int64_t i = 0; i < args.count; ++i) {
    const float kept = keep * x0[i];
    const float fresh = sigma * noise[i];
    x[i] = kept + fresh;
  }
  return Status::ok;
}

Status patchify(const PatchArgs& args, Stream) {
  const Patches patches(args.geometry);
  if (!patches.hold(args.first_token, args.tokens)) return Status::bad_shape;
  const float* latents = args.source;
#pragma omp parallel for schedule(static) if (args.tokens * patches.token_width > parallel_grain)
  for (std::int64_t t = 0; t < args.tokens; ++t) {
    float* token = args.target + t * patches.token_width;
    patches.visit(args.first_token + t, [=](std::int64_t component, std::int64_t element) {
      token[component] = latents[element];
    });
  }
  return Status::ok;
}

Status unpatchify(const PatchArgs& args, Stream) {
  const Patches patches(args.geometry);
  if (!patches.hold(args.first_token, args.tokens)) return Status::bad_shape;
  float* latents = args.target;
#pragma omp parallel for schedule(static) if (args.tokens * patches.token_width > parallel_grain)
  for (std::int64_t t = 0; t < args.tokens; ++t) {
    const float* token = args.source + t * patches.token_width;
    patches.visit(args.first_token + t, [=](std::int64_t component, std::int64_t element) {
      latents[element] = token[component];
    });
  }
  return Status::ok;
}

}  // namespace causeway::kernels::CAUSEWAY_ISA
