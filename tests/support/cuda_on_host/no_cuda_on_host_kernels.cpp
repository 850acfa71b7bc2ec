// Stands in for the CUDA backend on the host where fibres cannot be used.
#include "support/cuda_on_host/cuda_on_host.hpp"

namespace causeway::testing {

const kernels::Kernels* cuda_on_host_kernels() { return nullptr; }
CudaOnHostWork cuda_on_host_work() { return {}; }

}  // namespace causeway::testing
