// The memory of one GPU.
#pragma once

#include "tensor/tensor.hpp"

namespace causeway {

/// The memory of the GPU that rank `rank_on_node` of this machine uses: GPU rank_on_node mod number
/// of GPUs, which becomes this process's device at the first call. Throws Error(device) where there
/// is no GPU, no driver, or no backend for it in this build.
Memory& cuda_memory(int rank_on_node);

}  // namespace causeway
