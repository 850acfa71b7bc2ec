// The CUDA kernels on the host, with the stand-ins for cuBLASLt and cuDNN.
#include "kernels/cuda_backend.hpp"
#include "kernels/cuda_libraries.hpp"
#include "support/cublaslt_on_host/cublaslt_on_host.hpp"

namespace causeway::testing {

const kernels::Kernels* libraries_on_host_kernels() {
  static const kernels::Kernels table = [] {
    kernels::Kernels made = kernels::cuda_on_host::table;
    kernels::cuda_on_host::use_cublaslt(made);
    kernels::cuda_on_host::use_cudnn(made);
    return made;
  }();
  return &table;
}

}  // namespace causeway::testing
