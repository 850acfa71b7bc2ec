// Stands in for the GPU in a build without CUDA.
#include "support/gpu/gpu.hpp"

namespace causeway::testing {

const kernels::Kernels* gpu_kernels(bool) { return nullptr; }
void allocate_for_gpu(bool) {}

}  // namespace causeway::testing
