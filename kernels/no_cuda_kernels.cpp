// Stands in for the CUDA backend in a build without one.
#include "kernels/kernels.hpp"

namespace causeway::kernels {

const Kernels* cuda_kernels(bool) { return nullptr; }
const char* cuda_libraries_problem() { return "this build has no CUDA backend"; }

}  // namespace causeway::kernels
