// Choosing the backend that computes.
#pragma once

#include "ops/ops.hpp"

namespace causeway {

/// The verbs of the CPU backend (the best instruction set that this processor runs, or the one that
/// the environment variable CAUSEWAY_CPU_ISA names), or of the CUDA backend on the GPU of this rank
/// of its machine. Throws Error(device) if what is asked for is not there: nothing falls back.
/// `deterministic` is for GPUs: their plain kernels, whose bits depend on no number of ranks.
Ops open_backend(bool cuda, int rank_on_node = 0, bool deterministic = false);

/// Writes down what this backend found out about its variants on this device, for the next
/// `open_backend` (see ops/choices.hpp). Where that is not possible, the next run finds out again.
void keep_choices(const Ops& ops);

}  // namespace causeway
