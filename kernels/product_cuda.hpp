// The matrix product behind linear layers and convolutions: any source of rows times packed rows.
//
// Every sum runs over k in order, one fused multiply-add after the other in fp32, so that a row's
// bits depend neither on the other rows of a call nor on its place in a tile. This is the plain
// form, on the multiply-add units: the reference for faster ones, and the deterministic mode.
#pragma once

#include "kernels/elements_cuda.hpp"
#include "kernels/launch_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

constexpr int product_tile = 64;   ///< rows and outputs of a block's tile
constexpr int product_depth = 16;  ///< of k, held in shared memory at a time
constexpr int product_share = 4;   ///< rows and outputs of a thread
constexpr int product_side = product_tile / product_share;
static_assert(product_side * product_side == block_threads);

__device__ inline float activated(Activation activation, float x) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::gelu_tanh: {
      // 0.5·(1 + tanh u) is 1/(1 + e^−2u), which loses nothing far to the left.
      const float u = 0.7978845608f * (x + 0.044715f * x * x * x);
      return x / (1.0f + expf(-2.0f * u));
    }
    case Activation::silu:
      return x / (1.0f + expf(-x));
  }
  return x;
}

/// What becomes of a sum; see LinearArgs.
template <class Y>
struct ProductEnd {
  const float* bias;
  Activation activation;
  bool accumulate;
  const float* gate;
  Y* y;
  std::int64_t y_stride;
  __device__ void operator()(std::int64_t row, std::int64_t output, float sum) const {
    const float value = activated(activation, bias == nullptr ? sum : sum + bias[output]);
    Y* at = y + row * y_stride + output;
    if (accumulate) {
      write_element(at, fmaf(gate == nullptr ? 1.0f : gate[output], value, read_element(at)));
    } else {
      write_element(at, value);
    }
  }
};

/// `source.at(row, i)` is element i of a row's k; weight is [n, k]; blockIdx counts row and output
/// tiles.
template <class Source, class Weight, class Y>
__global__ void __launch_bounds__(block_threads)
    product(Source source, const Weight* weight, std::int64_t rows, std::int64_t n, std::int64_t k,
            ProductEnd<Y> end) {
  // One column of padding keeps the transposing writes off each other's banks.
  __shared__ float left[product_depth][product_tile + 1];
  __shared__ float right[product_depth][product_tile + 1];
  __shared__ float results[product_tile][product_tile + 1];
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.x) * product_tile;
  const std::int64_t first_output = static_cast<std::int64_t>(blockIdx.y) * product_tile;
  const int my_row = thread / product_side * product_share;
  const int my_output = thread % product_side * product_share;
  float sums[product_share][product_share] = {};
  for (std::int64_t start = 0; start < k; start += product_depth) {
    for (int i = thread; i < product_tile * product_depth; i += block_threads) {
      const int line = i / product_depth, depth = i % product_depth;
      const std::int64_t at = start + depth, row = first_row + line, output = first_output + line;
      left[depth][line] = row < rows && at < k ? source.at(row, at) : 0.0f;
      right[depth][line] = output < n && at < k ? read_element(weight + output * k + at) : 0.0f;
    }
    __syncthreads();
    const int depths = static_cast<int>(k - start < product_depth ? k - start : product_depth);
    for (int depth = 0; depth < depths; ++depth) {
#pragma unroll
      for (int r = 0; r < product_share; ++r) {
#pragma unroll
        for (int c = 0; c < product_share; ++c) {
          sums[r][c] = fmaf(left[depth][my_row + r], right[depth][my_output + c], sums[r][c]);
        }
      }
    }
    __syncthreads();
  }
  // By way of shared memory, so that neighbours write neighbours.
#pragma unroll
  for (int r = 0; r < product_share; ++r) {
#pragma unroll
    for (int c = 0; c < product_share; ++c) results[my_row + r][my_output + c] = sums[r][c];
  }
  __syncthreads();
#pragma unroll 1
  for (int i = thread; i < product_tile * product_tile; i += block_threads) {
    const std::int64_t row = first_row + i / product_tile, output = first_output + i % product_tile;
    if (row < rows && output < n) end(row, output, results[i / product_tile][i % product_tile]);
  }
}

template <class Source, class Weight, class Y>
Status start_product(Source source, const Weight* weight, std::int64_t rows, std::int64_t n,
                     std::int64_t k, ProductEnd<Y> end, Stream stream) {
  const auto tiles = [](std::int64_t extent) {
    return static_cast<unsigned>((extent + product_tile - 1) / product_tile);
  };
  return launch(product<Source, Weight, Y>, dim3(tiles(rows), tiles(n)), block_threads, stream,
                source, weight, rows, n, k, end);
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
