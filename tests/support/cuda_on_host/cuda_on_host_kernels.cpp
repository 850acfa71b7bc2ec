// The CUDA backend's table, as compiled for the host.
#include <cuda_runtime.h>

#include "kernels/cuda_backend.hpp"
#include "support/cuda_on_host/cuda_on_host.hpp"

namespace causeway::testing {

const kernels::Kernels* cuda_on_host_kernels() { return &kernels::cuda_on_host::table; }

CudaOnHostWork cuda_on_host_work() {
  return {::cuda_on_host::launches(), ::cuda_on_host::vector_bytes()};
}

}  // namespace causeway::testing
