// Choosing the backend that computes.
#pragma once

#include "ops/ops.hpp"

namespace causeway {

/// The verbs of the CPU backend (the best instruction set that this processor runs, or the one that
/// the environment variable CAUSEWAY_CPU_ISA names), or of the CUDA backend. Throws Error(device)
/// if what is asked for is not there: nothing falls back.
Ops open_backend(bool cuda);

}  // namespace causeway
