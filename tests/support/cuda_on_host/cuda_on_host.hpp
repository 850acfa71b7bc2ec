// The CUDA backend compiled for the host, to test its kernels on machines without a GPU.
#pragma once

#include <cstdint>

#include "kernels/kernels.hpp"

namespace causeway::testing {

/// The CUDA kernels over a stand-in for CUDA's runtime that runs a block's threads as fibres (see
/// cuda_runtime.h beside); null where fibres cannot be used (thread sanitizer).
const kernels::Kernels* cuda_on_host_kernels();

/// What these kernels have done since the program began.
struct CudaOnHostWork {
  std::int64_t launches = 0;
  std::int64_t vector_bytes = 0;  ///< read and written as CUDA's vectors
};
CudaOnHostWork cuda_on_host_work();

}  // namespace causeway::testing
