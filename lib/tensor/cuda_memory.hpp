// The memory of one GPU.
#pragma once

#include <string>

#include "tensor/tensor.hpp"

namespace causeway {

/// The memory of the GPU that rank `rank_on_node` of this machine uses: GPU rank_on_node mod number
/// of GPUs, which becomes this process's device at the first call. Throws Error(device) where there
/// is no GPU, no driver, or no backend for it in this build.
Memory& cuda_memory(int rank_on_node);

/// A GPU as a person knows it.
struct Gpu {
  std::string name, id;                   ///< "NVIDIA H200", "GPU-" and its unique number
  std::string pci;                        ///< where it hangs on the bus: "0000:18:00.0"
  std::size_t bytes = 0, free_bytes = 0;  ///< of memory, in all and at the moment
};

/// The GPU of `cuda_memory`, which was called before.
Gpu cuda_gpu();

}  // namespace causeway
