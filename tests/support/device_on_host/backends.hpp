// The backends that networks are tried on, by name.
#pragma once

#include <string>
#include <vector>

#include "ops/ops.hpp"

namespace causeway::testing {

/// "best" is what a run on the CPU would choose by itself; the names with "on_host" are the CUDA
/// kernels without a GPU; "gpu" is deterministic, "gpu_libraries" what a run on a GPU would choose.
const std::vector<std::string>& backend_names();

/// The verbs of one of these, or of another instruction set ("avx512"); null where this build or
/// this machine has none of that name.
const Ops* ops_named(const std::string& name);

}  // namespace causeway::testing
