// A clock for trials of algorithms on the device.
#pragma once

#include <cuda_runtime.h>

#include <optional>

namespace causeway::kernels::CAUSEWAY_DEVICE {

inline constexpr int timed_runs = 3;

/// Milliseconds of some runs on a stream, after a first one; nothing if one failed.
template <class Run>
std::optional<float> milliseconds_of(Run run, cudaStream_t stream) {
  cudaEvent_t begin = nullptr, end = nullptr;
  float milliseconds = 0.0f;
  bool fine = cudaEventCreate(&begin) == cudaSuccess && cudaEventCreate(&end) == cudaSuccess &&
              run() && cudaEventRecord(begin, stream) == cudaSuccess;
  for (int i = 0; i < timed_runs; ++i) fine = fine && run();
  fine = fine && cudaEventRecord(end, stream) == cudaSuccess &&
         cudaEventSynchronize(end) == cudaSuccess &&
         cudaEventElapsedTime(&milliseconds, begin, end) == cudaSuccess;
  if (begin != nullptr) cudaEventDestroy(begin);
  if (end != nullptr) cudaEventDestroy(end);
  return fine ? std::optional(milliseconds) : std::nullopt;
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
