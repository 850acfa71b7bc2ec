// Runs passes of a transformer over chunks given as latents, on any job group.
#pragma once

#include <vector>

#include "comm/comm.hpp"
#include "model/transformer.hpp"

namespace causeway::testing {

/// One video's worth of passes; latents are [channels, frames, height, width], flat.
class TransformerRunner {
 public:
  TransformerRunner(Transformer& transformer, const Ops& ops, Communicator& group,
                    std::int64_t height, std::int64_t width, std::int64_t window_frames,
                    std::int64_t sink_frames)
      : transformer_(transformer),
        ops_(ops),
        group_(group),
        grid_(group.size(), group.rank(), transformer.config().heads),
        height_(height),
        width_(width),
        cache_(transformer.make_cache(window_frames * frame_tokens(), sink_frames * frame_tokens(),
                                      grid_)) {}

  std::int64_t frame_tokens() const {
    const auto& config = transformer_.config();
    return height_ / config.patch_height * (width_ / config.patch_width);
  }
  KvCache& cache() { return cache_; }

  /// Writes the chunk's K and V and returns this rank's rows of the flow, channel-major patches.
  std::vector<float> own_flow(const std::vector<float>& chunk, std::int64_t first_frame,
                              std::int64_t frames, double timestep, const TextContext& text) {
    const auto& config = transformer_.config();
    const PatchGeometry geometry{config.in_channels, frames, height_, width_, config.patch_height,
                                 config.patch_width};
    ChunkPass pass(
        ops_, config,
        {first_frame, frames, height_ / config.patch_height, width_ / config.patch_width}, grid_,
        transformer_.compute());
    own_ = pass.layout().own();
    const Ops host = ops_.on_host();
    Tensor x(ElementType::f32, {own_.count, config.patch_inputs()});
    host.patchify({geometry, own_.first, own_.count, chunk.data(), x.f32()});
    x = ops_.on_device(std::move(x));
    Tensor v = ops_.tensor(ElementType::f32, {own_.count, config.patch_outputs()});
    transformer_.forward(pass, timestep, text, cache_, group_, x.f32(), v.f32());
    v = std::move(v).moved_to(host_memory());
    // x0 = 0 − (−1)·v: only the order of the components changes.
    std::vector<float> flow(static_cast<std::size_t>(v.size()), 0.0f);
    host.flow_to_x0({geometry, own_.count, -1.0f, flow.data(), v.f32(), flow.data()});
    return flow;
  }

  /// The whole flow as latents; for a group of one.
  std::vector<float> flow(const std::vector<float>& chunk, std::int64_t first_frame,
                          std::int64_t frames, double timestep, const TextContext& text) {
    const auto& config = transformer_.config();
    const auto rows = own_flow(chunk, first_frame, frames, timestep, text);
    std::vector<float> latents(chunk.size());
    const PatchGeometry geometry{config.in_channels, frames, height_, width_, config.patch_height,
                                 config.patch_width};
    ops_.on_host().unpatchify({geometry, 0, own_.count, rows.data(), latents.data()});
    return latents;
  }

  /// The tokens that the last pass gave to this rank.
  TokenRange own() const { return own_; }

 private:
  Transformer& transformer_;
  const Ops& ops_;
  Communicator& group_;
  RankGrid grid_;
  std::int64_t height_, width_;
  KvCache cache_;
  TokenRange own_;
};

}  // namespace causeway::testing
