// Stands in for the stand-in where the CUDA kernels cannot run on the host.
#include "support/cublaslt_on_host/cublaslt_on_host.hpp"

namespace causeway::testing {

const kernels::Kernels* libraries_on_host_kernels() { return nullptr; }
int cublaslt_on_host_runs(int) { return 0; }

}  // namespace causeway::testing
