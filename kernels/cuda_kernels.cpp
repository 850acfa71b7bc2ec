// The CUDA backend in a build that has one.
#include "kernels/cuda_backend.hpp"
#include "kernels/cuda_libraries.hpp"

namespace causeway::kernels {

const Kernels* cuda_kernels(bool deterministic) {
  static const Kernels with_libraries = [] {
    Kernels table = cuda::table;
    table.name = "cuda-libraries";
    cuda::use_cublaslt(table);
    return table;
  }();
  return deterministic ? &cuda::table : &with_libraries;
}

}  // namespace causeway::kernels
