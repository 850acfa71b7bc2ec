// The CUDA backend compiled for the host, to test its kernels on machines without a GPU.
#pragma once

#include "kernels/kernels.hpp"

namespace causeway::testing {

/// The CUDA kernels over a stand-in for CUDA's runtime that runs a block's threads as fibres (see
/// cuda_runtime.h beside); null where fibres cannot be used (thread sanitizer).
const kernels::Kernels* cuda_on_host_kernels();

}  // namespace causeway::testing
