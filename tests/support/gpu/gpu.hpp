// The CUDA backend on a real GPU, for the same tests that call every other backend with host
// memory.
#pragma once

#include "kernels/kernels.hpp"

namespace causeway::testing {

/// The CUDA backend, each of whose calls has finished when it returns; null where this build has
/// none or this machine has no GPU. With `libraries`, the one that is not deterministic; null where
/// NVIDIA's libraries are missing, too.
const kernels::Kernels* gpu_kernels(bool libraries);

/// While true, `new` gives host memory that the GPU reaches too, so that a test's vectors may be
/// handed to kernels. Objects made meanwhile may be deleted later; their memory is used again when
/// all of them are gone and the next test turns this on.
void allocate_for_gpu(bool on);

}  // namespace causeway::testing
