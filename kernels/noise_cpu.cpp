// Draws the noise of a range of tokens, each element by its place in the unsplit chunk.
#include "kernels/cpu_backend.hpp"
#include "kernels/noise.hpp"
#include "kernels/patch_cpu.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {

Status noise(const NoiseArgs& args, Stream) {
  const Patches patches(args.geometry);
  if (!patches.hold(args.first_token, args.tokens)) return Status::bad_shape;
    // One number costs as much as some sixteen light elements.
#pragma omp parallel for schedule(static) if (16 * args.tokens * patches.token_width > \
                                              parallel_grain)
  for (std::int64_t t = 0; t < args.tokens; ++t) {
    float* y = args.y + t * patches.token_width;
    patches.visit(args.first_token + t, [=](std::int64_t component, std::int64_t element) {
      y[component] = normal_of(args.key, static_cast<std::uint64_t>(element));
    });
  }
  return Status::ok;
}

}  // namespace causeway::kernels::CAUSEWAY_ISA
