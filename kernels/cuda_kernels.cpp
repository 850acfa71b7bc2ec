// The CUDA backend in a build that has one.
#include "kernels/cuda_backend.hpp"
#include "kernels/cuda_libraries.hpp"

namespace causeway::kernels {

const Kernels* cuda_kernels(bool deterministic) {
  static const Kernels with_libraries = [] {
    Kernels table = cuda::table;
    table.name = "cuda-libraries";
    cuda::use_cublaslt(table);
    cuda::use_cudnn(table);
    return table;
  }();
  return deterministic ? &cuda::table : &with_libraries;
}

const char* cuda_libraries_problem() {
  const char* problem = cublaslt_problem();
  return problem != nullptr ? problem : cudnn_problem();
}

}  // namespace causeway::kernels
