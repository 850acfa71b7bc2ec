// Noise, the sampler's arithmetic and the ways between latents and tokens on the GPU: the bits of
// the CPU backend. This file is compiled without contraction of a·b + c (--fmad=false).
#include "kernels/cuda_backend.hpp"
#include "kernels/launch_cuda.hpp"
#include "kernels/noise.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

/// Whether patches tile the latents and [first, first + count) are tokens of them.
bool holds(const PatchGeometry& g, std::int64_t first, std::int64_t count) {
  return g.channels > 0 && g.patch_height > 0 && g.patch_width > 0 &&
         g.height % g.patch_height == 0 && g.width % g.patch_width == 0 && first >= 0 &&
         count >= 0 && first + count <= g.tokens();
}

/// The flat index in latents [channels, frames, height, width] of a token's component.
__device__ inline std::int64_t place_in_latents(const PatchGeometry& g, std::int64_t token,
                                                std::int64_t component) {
  const std::int64_t channel = component / g.patch(), within = component % g.patch();
  const std::int64_t x = token % g.columns() * g.patch_width + within % g.patch_width;
  const std::int64_t y = token / g.columns() % g.rows() * g.patch_height + within / g.patch_width;
  const std::int64_t frame = token / (g.columns() * g.rows());
  return ((channel * g.frames + frame) * g.height + y) * g.width + x;
}

struct NoiseElement {
  std::uint64_t key;
  PatchGeometry geometry;
  std::int64_t first_token;
  float* y;
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t width = geometry.token_width();
    const std::int64_t place = place_in_latents(geometry, first_token + i / width, i % width);
    y[i] = normal_of(key, static_cast<std::uint64_t>(place));
  }
};

struct FlowToX0Element {
  std::int64_t channels, patch;
  double sigma;
  const float *x, *v;
  float* x0;
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t width = channels * patch, token = i / width, component = i % width;
    const std::int64_t flow = token * width + component % patch * channels + component / patch;
    // The product of two floats is exact in float64, so there is one rounding before the last.
    const double step = sigma * static_cast<double>(v[flow]);
    x0[i] = static_cast<float>(static_cast<double>(x[i]) - step);
  }
};

struct RenoiseElement {
  float sigma;
  const float *x0, *noise;
  float* x;
  __device__ void operator()(std::int64_t i) const {
    const float kept = (1.0f - sigma) * x0[i];
    const float fresh = sigma * noise[i];
    x[i] = kept + fresh;
  }
};

template <bool to_tokens>
struct PatchElement {
  PatchGeometry geometry;
  std::int64_t first_token;
  const float* source;
  float* target;
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t width = geometry.token_width();
    const std::int64_t place = place_in_latents(geometry, first_token + i / width, i % width);
    if (to_tokens) {
      target[i] = source[place];
    } else {
      target[place] = source[i];
    }
  }
};

}  // namespace

Status noise(const NoiseArgs& args, Stream stream) {
  if (!holds(args.geometry, args.first_token, args.tokens)) return Status::bad_shape;
  return for_each_element(args.tokens * args.geometry.token_width(), stream,
                          NoiseElement{args.key, args.geometry, args.first_token, args.y});
}

Status flow_to_x0(const FlowToX0Args& args, Stream stream) {
  const std::int64_t channels = args.geometry.channels, patch = args.geometry.patch();
  if (channels <= 0 || patch <= 0 || args.tokens < 0) return Status::bad_shape;
  return for_each_element(
      args.tokens * channels * patch, stream,
      FlowToX0Element{channels, patch, static_cast<double>(args.sigma), args.x, args.v, args.x0});
}

Status renoise(const RenoiseArgs& args, Stream stream) {
  if (args.count < 0) return Status::bad_shape;
  return for_each_element(args.count, stream,
                          RenoiseElement{args.sigma, args.x0, args.noise, args.x});
}

Status patchify(const PatchArgs& args, Stream stream) {
  if (!holds(args.geometry, args.first_token, args.tokens)) return Status::bad_shape;
  return for_each_element(
      args.tokens * args.geometry.token_width(), stream,
      PatchElement<true>{args.geometry, args.first_token, args.source, args.target});
}

Status unpatchify(const PatchArgs& args, Stream stream) {
  if (!holds(args.geometry, args.first_token, args.tokens)) return Status::bad_shape;
  return for_each_element(
      args.tokens * args.geometry.token_width(), stream,
      PatchElement<false>{args.geometry, args.first_token, args.source, args.target});
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
