// The ceiling of this GPU's multiply-add units: fused multiply-adds on registers alone.
#include "kernels/cuda_backend.hpp"
#include "kernels/launch_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

constexpr int chains = 8;  ///< independent sums of a thread, to hide the latency
constexpr int steps = 1 << 12;

__global__ void __launch_bounds__(block_threads) multiply_adds(float a, float b, float* result) {
  float sums[chains];
  for (int i = 0; i < chains; ++i)
    sums[i] = static_cast<float>(threadIdx.x) + static_cast<float>(i);
  for (int step = 0; step < steps; ++step) {
    for (int i = 0; i < chains; ++i) sums[i] = fmaf(a, sums[i], b);
  }
  float total = 0.0f;
  for (int i = 0; i < chains; ++i) total += sums[i];
  // Never true, but the compiler cannot know: the sums are looked at.
  if (total == -1.0f) *result = total;
}

}  // namespace

double measure_peak(ElementType compute) {
  if (compute != ElementType::f32 && compute != ElementType::bf16) return 0.0;
  int device = 0, multiprocessors = 0;
  cudaEvent_t begin, end;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device) !=
          cudaSuccess ||
      cudaEventCreate(&begin) != cudaSuccess || cudaEventCreate(&end) != cudaSuccess) {
    return 0.0;
  }
  const dim3 grid(static_cast<unsigned>(8 * multiprocessors));
  float milliseconds = 0.0f;
  bool sound = true;
  for (int round = 0; round < 2; ++round) {  // the first one warms up
    sound = sound && cudaEventRecord(begin) == cudaSuccess &&
            launch(multiply_adds, grid, block_threads, nullptr, 1.0f, 0.5f,
                   static_cast<float*>(nullptr)) == Status::ok &&
            cudaEventRecord(end) == cudaSuccess && cudaEventSynchronize(end) == cudaSuccess &&
            cudaEventElapsedTime(&milliseconds, begin, end) == cudaSuccess;
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  if (!sound || !(milliseconds > 0.0f)) return 0.0;
  return 2.0 * chains * steps * block_threads * grid.x / (1e-3 * static_cast<double>(milliseconds));
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
