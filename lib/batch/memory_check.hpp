// Whether GPUs have room for what a run will hold on them.
#pragma once

#include <string>
#include <vector>

#include "batch/placement.hpp"
#include "comm/comm.hpp"
#include "rollout/memory_plan.hpp"

namespace causeway {

/// The plans of all ranks, at all ranks; collective over `world`.
std::vector<MemoryPlan> gather_plans(Communicator& world, const MemoryPlan& own);

/// "41.2 GiB: weights 2.9 GiB, KV cache …"
std::string plan_text(const MemoryPlan& plan);

/// Whether text encoders stay on GPUs: as asked; where that is left open, if all have room.
/// `resident` are the plans of all ranks with them.
TextWeights choose_text_weights(TextWeightsKind asked, const std::vector<Place>& places,
                                const std::vector<MemoryPlan>& resident);

/// What to tell a person where a GPU has no room for its ranks; empty where all have.
std::string memory_problem(const std::vector<Place>& places, const std::vector<MemoryPlan>& plans);

}  // namespace causeway
