// A device without a GPU: the CUDA kernels on the host, over memory that only they may touch.
#pragma once

#include <cstddef>

#include "ops/ops.hpp"

namespace causeway::testing {

/// The verbs of such a device, or null where it cannot be (see cuda_on_host.hpp). Code that reads
/// or writes a tensor of it other than by a verb or a copy ends the process with a segmentation
/// fault, as with a GPU's memory.
const Ops* device_on_host();

/// The same device with stand-ins for NVIDIA's libraries (see cublaslt_on_host.hpp).
const Ops* device_with_libraries_on_host();

/// From now on its kernels fail and waiting for it throws, as after an illegal access on a GPU.
void lose_device_on_host(bool now);

/// From now on it has room for so many bytes more than it holds now; 0: as many as it ever had.
void limit_device_on_host(std::size_t more);

/// Its peak becomes what it holds now.
void forget_peak_of_device_on_host();

}  // namespace causeway::testing
