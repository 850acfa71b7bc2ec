// Frames as planes of 8-bit yuv420p.
#include "kernels/cpu_backend.hpp"
#include "kernels/lanes_cpu.hpp"
#include "kernels/shape_checks.hpp"
#include "kernels/yuv420p.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

constexpr std::int64_t tile_columns = 256;  // even; what a tile needs stays in the first cache

/// Two rows of a tile, channel by channel. Column j of the tile is element j + 1; element 0 is the
/// column to its left.
struct Tile {
  std::int32_t channels[3][2][tile_columns + 1];
};

using Integers = std::int32_t __attribute__((vector_size(4 * lanes)));

/// y[i] = trunc(scaled_to_bytes(x[i])); y has room for a vector's rest.
template <class X>
void quantise(const X* x, std::int64_t count, std::int32_t* y) {
  for (std::int64_t i = 0; i < count; i += lanes) {
    const bool whole = i + lanes <= count;
    const Floats values = scaled_to_bytes(whole ? load(x + i) : load_part(x + i, count - i));
    const Integers integers = __builtin_convertvector(values, Integers);
    __builtin_memcpy(y + i, &integers, sizeof integers);
  }
}

/// x [columns, 3], which has a column to its left or is the first of its row.
template <class X>
void read_row(const X* x, bool first, std::int64_t columns, int row, Tile& tile) {
  std::int32_t pixels[3 * (tile_columns + 1) + lanes];
  if (first) {
    quantise(x, 3 * columns, pixels + 3);
    for (int c = 0; c < 3; ++c) pixels[c] = pixels[c + 3];
  } else {
    quantise(x - 3, 3 * (columns + 1), pixels);
  }
  std::int32_t* r = tile.channels[0][row];
  std::int32_t* g = tile.channels[1][row];
  std::int32_t* b = tile.channels[2][row];
  for (std::int64_t j = 0; j <= columns; ++j) {
    r[j] = pixels[3 * j];
    g[j] = pixels[3 * j + 1];
    b[j] = pixels[3 * j + 2];
  }
}

void write_luma(const Tile& tile, std::int64_t columns, int row, std::uint8_t* y) {
  const std::int32_t* r = tile.channels[0][row] + 1;
  const std::int32_t* g = tile.channels[1][row] + 1;
  const std::int32_t* b = tile.channels[2][row] + 1;
  for (std::int64_t j = 0; j < columns; ++j) y[j] = sample_of<Luma>(r[j], g[j], b[j]);
}

void write_chroma(const Tile& tile, std::int64_t columns, std::uint8_t* u, std::uint8_t* v) {
  std::int32_t filtered[3][tile_columns / 2];
  for (int c = 0; c < 3; ++c) {
    const std::int32_t *upper = tile.channels[c][0], *lower = tile.channels[c][1];
    for (std::int64_t j = 0; j < columns / 2; ++j) {
      filtered[c][j] = upper[2 * j] + 2 * upper[2 * j + 1] + upper[2 * j + 2] + lower[2 * j] +
                       2 * lower[2 * j + 1] + lower[2 * j + 2];
    }
  }
  const std::int32_t *r = filtered[0], *g = filtered[1], *b = filtered[2];
  for (std::int64_t j = 0; j < columns / 2; ++j) u[j] = sample_of<Cb>(r[j], g[j], b[j]);
  for (std::int64_t j = 0; j < columns / 2; ++j) v[j] = sample_of<Cr>(r[j], g[j], b[j]);
}

/// Two rows of x, from [2, width, 3] to rows of y (two), u and v.
template <class X>
void convert_rows(const X* x, std::int64_t width, std::uint8_t* y, std::uint8_t* u,
                  std::uint8_t* v) {
  Tile tile;
  for (std::int64_t first = 0; first < width; first += tile_columns) {
    const std::int64_t columns = width - first < tile_columns ? width - first : tile_columns;
    for (int row = 0; row < 2; ++row) {
      read_row(x + (row * width + first) * 3, first == 0, columns, row, tile);
      write_luma(tile, columns, row, y + row * width + first);
    }
    write_chroma(tile, columns, u + first / 2, v + first / 2);
  }
}

template <class X>
void convert_frames(const X* x, const ConstView& view, std::uint8_t* y) {
  const std::int64_t width = view.shape[2], pixels = view.shape[1] * width;
  const std::int64_t pairs = view.shape[1] / 2;
#pragma omp parallel for schedule(static) if (view.size() > parallel_grain)
  for (std::int64_t i = 0; i < view.shape[0] * pairs; ++i) {
    const std::int64_t frame = i / pairs, pair = i % pairs;
    std::uint8_t* luma = y + frame * (pixels / 2 * 3);
    std::uint8_t* u = luma + pixels + pair * (width / 2);
    convert_rows(x + i * 2 * width * 3, width, luma + pair * 2 * width, u, u + pixels / 4);
  }
}

}  // namespace

Status frames_to_yuv420p(ConstView x, View y, Stream) {
  if (!are_frames_and_planes(x, y)) return Status::bad_shape;
  if (!is_f32_or_bf16(x.type) || y.type != ElementType::u8) return Status::unsupported_type;
  auto* target = static_cast<std::uint8_t*>(y.data);
  if (x.type == ElementType::f32) {
    convert_frames(static_cast<const float*>(x.data), x, target);
  } else {
    convert_frames(static_cast<const bfloat16*>(x.data), x, target);
  }
  return Status::ok;
}

}  // namespace causeway::kernels::CAUSEWAY_ISA
