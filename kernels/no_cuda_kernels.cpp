// Stands in for the CUDA backend in a build without one.
#include "kernels/kernels.hpp"

namespace causeway::kernels {

const Kernels* cuda_kernels() { return nullptr; }

}  // namespace causeway::kernels
