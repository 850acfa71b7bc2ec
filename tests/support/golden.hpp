// Golden numbers of tiny models with synthetic weights: the numbers, the weights, the inputs.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "support/map_store.hpp"
#include "support/network_shapes.hpp"

namespace causeway::testing {

/// What is known of one tensor that a reference implementation computed in float64. Which fields
/// apply depends on the part; tests/golden/README.md tells the models and the inputs.
struct GoldenCase {
  std::string
      what;  ///< transformer: flow, self_k_cache, cross_v; vae: decode, encode; text: hidden
  int window = -1, sink = 0;  ///< transformer: frames
  int chunk = 0;              ///< transformer, flow
  double t = 0;               ///< transformer, flow: the timestep
  int layer = -1;             ///< transformer, caches
  int index = -1;             ///< vae: one frame or latent of the whole; −1: the whole
  std::vector<std::int64_t> shape;
  std::array<double, 6> first{};  ///< values of the flat row-major tensor
  double last = 0;
  double rms = 0;
};

/// The cases of a part: "transformer", "vae" or "text_encoder", in order.
std::vector<GoldenCase> golden_cases(const std::string& part);

/// A list of `scalars` of golden.json by name; nested lists are flattened, null is not-a-number.
std::vector<double> golden_scalars(const std::string& name);

/// The largest error among first six, last and RMS, divided by the RMS; not-a-number if a value is,
/// infinite if the count differs from the shape's. `values` are flat, row-major.
double golden_error(const GoldenCase& golden, const std::vector<float>& values);

/// x[k] = sin(0.173 k + phase).
std::vector<float> golden_input(std::size_t count, double phase);

/// Amplitudes of the weights that are not norms.
inline constexpr double golden_amplitude = 0.25;      // transformer and text encoder
inline constexpr double golden_vae_amplitude = 0.12;  // VAE

/// The synthetic weights: with s = sin(0.731 k + 1.37 j + 0.2), k the flat index and j the rank of
/// the name in byte order, norm weights are 1 + 0.1 s and all others amplitude · s.
std::unique_ptr<MapStore> golden_store(const std::string& description, const TensorShapes& shapes,
                                       double amplitude, ElementType type = ElementType::f32);

}  // namespace causeway::testing
