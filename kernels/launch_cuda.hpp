// Starting kernels on a stream: one thread for each element, one warp for each row, or any grid.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kernels/kernels.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

constexpr int warp_lanes = 32;
constexpr int block_threads = 256;
constexpr std::int64_t most_blocks = 1 << 20;  ///< of one launch over elements or rows

inline Status status_of(cudaError_t error) {
  return error == cudaSuccess ? Status::ok : Status::backend_failure;
}

/// Starts `kernel`; an empty grid is no work.
template <class... Parameters, class... Arguments>
Status launch(void (*kernel)(Parameters...), dim3 grid, int threads, Stream stream,
              Arguments&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return Status::ok;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.stream = static_cast<cudaStream_t>(stream);
  return status_of(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...));
}

template <class Body>
__global__ void __launch_bounds__(block_threads) each_element(std::int64_t count, Body body) {
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * block_threads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
       i < count; i += threads) {
    body(i);
  }
}

/// Calls body(i) for i in [0, count), a thread each.
template <class Body>
Status for_each_element(std::int64_t count, Stream stream, Body body) {
  const std::int64_t blocks = std::min((count + block_threads - 1) / block_threads, most_blocks);
  return launch(each_element<Body>, dim3(static_cast<unsigned>(blocks)), block_threads, stream,
                count, body);
}

template <class Body>
__global__ void __launch_bounds__(block_threads) each_row(std::int64_t rows, Body body) {
  constexpr int warps = block_threads / warp_lanes;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * warps;
  const int lane = static_cast<int>(threadIdx.x) % warp_lanes;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * warps + threadIdx.x / warp_lanes;
       row < rows; row += step) {
    body(row, lane);
  }
}

/// Calls body(row, lane) for rows [0, rows), a warp each; all lanes of a warp come along.
template <class Body>
Status for_each_row(std::int64_t rows, Stream stream, Body body) {
  constexpr std::int64_t warps = block_threads / warp_lanes;
  const std::int64_t blocks = std::min((rows + warps - 1) / warps, most_blocks);
  return launch(each_row<Body>, dim3(static_cast<unsigned>(blocks)), block_threads, stream, rows,
                body);
}

/// The sum over the lanes of a warp, the same bits in each; its order is that of a binary tree.
__device__ inline float warp_sum(float value) {
  for (int distance = warp_lanes / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(0xffffffffu, value, distance);
  }
  return value;
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
