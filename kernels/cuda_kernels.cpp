// The CUDA backend in a build that has one.
#include "kernels/cuda_backend.hpp"

namespace causeway::kernels {

const Kernels* cuda_kernels() { return &cuda::table; }

}  // namespace causeway::kernels
