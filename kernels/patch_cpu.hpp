// Where the components of a token lie in the latents of its chunk.
#pragma once

#include "kernels/grain_cpu.hpp"
#include "kernels/kernels.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

/// The sizes of a PatchGeometry, worked out once per call.
struct Patches {
  std::int64_t channels, frames, height, width, patch_height, patch_width;
  std::int64_t rows, columns, tokens, token_width;

  explicit Patches(const PatchGeometry& g)
      : channels(g.channels),
        frames(g.frames),
        height(g.height),
        width(g.width),
        patch_height(g.patch_height),
        patch_width(g.patch_width),
        rows(0),
        columns(0),
        tokens(0),
        token_width(channels * patch_height * patch_width) {
    if (patch_height > 0) rows = height / patch_height;
    if (patch_width > 0) columns = width / patch_width;
    tokens = frames * rows * columns;
  }

  /// Whether patches tile the latents and [first, first + count) are tokens of them.
  bool hold(std::int64_t first, std::int64_t count) const {
    return channels > 0 && patch_height > 0 && patch_width > 0 && rows * patch_height == height &&
           columns * patch_width == width && first >= 0 && count >= 0 && first + count <= tokens;
  }

  /// Calls f(component, flat index in [channels, frames, height, width]) for each component of a
  /// token.
  template <class F>
  void visit(std::int64_t token, F f) const {
    const std::int64_t x = token % columns * patch_width;
    const std::int64_t y = token / columns % rows * patch_height;
    const std::int64_t frame = token / (columns * rows);
    std::int64_t component = 0;
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t dy = 0; dy < patch_height; ++dy) {
        const std::int64_t start = ((c * frames + frame) * height + y + dy) * width + x;
        for (std::int64_t dx = 0; dx < patch_width; ++dx) f(component++, start + dx);
      }
    }
  }
};

}  // namespace
}  // namespace causeway::kernels::CAUSEWAY_ISA
