// Stands in for a GPU's memory in a build without CUDA.
#include "tensor/cuda_memory.hpp"

namespace causeway {

Memory& cuda_memory(int) {
  fail(ExitCode::device,
       "the CUDA backend was asked for (parallel.device: cuda), but this build has none; use "
       "device: cpu, or build where there is a CUDA toolkit");
}

Gpu cuda_gpu() {
  expects(false, "a GPU is asked for after its memory");
  return {};
}

}  // namespace causeway
