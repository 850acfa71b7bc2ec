// The CUDA backend with NVIDIA's libraries, compiled for the host against stand-ins for cuBLASLt
// (here) and cuDNN (support/cudnn_on_host).
#pragma once

#include "kernels/kernels.hpp"

namespace causeway::testing {

/// Null where there is no cuda_on_host_kernels().
const kernels::Kernels* libraries_on_host_kernels();

/// The algorithms of the stand-in, in the order in which it offers them.
enum CublasltOnHostAlgorithm {
  algorithm_that_fails = 0,
  slow_algorithm = 1,  ///< wants addresses that 16 divides
  fast_algorithm = 2
};

/// How often it has run one of them.
int cublaslt_on_host_runs(int algorithm);

}  // namespace causeway::testing
