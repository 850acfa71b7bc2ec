// Stands in for cuBLASLt in a CUDA build where it is not installed: the plain kernels stay.
#include "kernels/cuda_libraries.hpp"

namespace causeway::kernels {

const char* cublaslt_problem() { return nullptr; }

namespace cuda {
void use_cublaslt(Kernels&) {}
}  // namespace cuda

}  // namespace causeway::kernels
