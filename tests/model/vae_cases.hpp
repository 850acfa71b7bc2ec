// Decoding and encoding in one call, for the tests of the VAE.
#pragma once

#include <vector>

#include "model/network_cases.hpp"
#include "model/vae_decoder.hpp"
#include "model/vae_encoder.hpp"

namespace causeway::testing {

/// Latents [z, n, h, w] → frames [n', H, W, 3], given to the decoder in calls of `calls` latents.
inline std::vector<float> decode(const Ops& ops, VaeDecoder& decoder,
                                 const std::vector<float>& latents, std::int64_t height,
                                 std::int64_t width, const std::vector<std::int64_t>& calls) {
  const auto z = static_cast<std::size_t>(decoder.config().z_dim);
  const auto plane = static_cast<std::size_t>(height * width), total = latents.size() / z / plane;
  std::vector<float> frames;
  decoder.begin(height, width);
  std::size_t first = 0;
  for (const std::int64_t call : calls) {
    const auto n = static_cast<std::size_t>(call);
    std::vector<float> part;
    for (std::size_t c = 0; c < z; ++c) {
      const auto from = latents.begin() + static_cast<std::ptrdiff_t>((c * total + first) * plane);
      part.insert(part.end(), from, from + static_cast<std::ptrdiff_t>(n * plane));
    }
    const Tensor input = f32_tensor(part, {static_cast<std::int64_t>(z), call, height, width});
    decoder.decode(input.view(), [&](ConstView view) {
      EXPECT_EQ(view.shape[0], frames.empty() ? 1 : decoder.config().temporal_stride());
      EXPECT_EQ(view.shape[1], height * decoder.config().spatial_stride());
      EXPECT_EQ(view.shape[2], width * decoder.config().spatial_stride());
      const auto values = floats_of(ops.downloaded(view).view());
      frames.insert(frames.end(), values.begin(), values.end());
    });
    first += n;
  }
  EXPECT_EQ(first, total);
  return frames;
}

/// A small VAE of the published structure, with statistics of its own.
inline VaeConfig small_vae_config() {
  VaeConfig config;
  config.base_dim = 4;
  config.z_dim = 3;
  config.mean = {0.1f, -0.2f, 0.3f};
  config.std = {1.5f, 0.7f, 2.0f};
  return config;
}

}  // namespace causeway::testing
