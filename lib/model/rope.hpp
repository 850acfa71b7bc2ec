// Causal rotary embedding: angles of any tokens from their global (frame, row, column).
#pragma once

#include <cstdint>

#include "tensor/tensor.hpp"

namespace causeway {

/// How the pairs of one head are shared out: time, height, width. ns = (head_dim/2)/3 each for
/// height and width, the rest for time; each axis has its own spectrum 10000^(−2i/(2·pairs of the
/// axis)).
struct RopePairs {
  std::int64_t time = 0, height = 0, width = 0;
};
RopePairs rope_pairs(std::int64_t head_dim);

/// cos and sin for tokens [first_token, first_token + count) of a chunk whose first latent frame is
/// `first_frame` (absolute): [count, head_dim/2, 2] f32, computed in float64. Made once per chunk,
/// used by all layers, all denoising steps, and both Q and K.
Tensor rope_table(std::int64_t head_dim, std::int64_t first_frame, std::int64_t rows,
                  std::int64_t columns, std::int64_t first_token, std::int64_t count);

}  // namespace causeway
