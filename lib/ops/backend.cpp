// Finding a backend, or saying why there is none.
#include "ops/backend.hpp"

#include <cstdlib>

#include "tensor/cuda_memory.hpp"

namespace causeway {

Ops open_backend(bool cuda, int rank_on_node) {
  if (cuda) {
    Memory& memory = cuda_memory(rank_on_node);
    return Ops(*kernels::cuda_kernels(), memory);
  }
  const auto* kernels = kernels::cpu_kernels();
  const char* wanted = std::getenv("CAUSEWAY_CPU_ISA");
  require(kernels != nullptr, ExitCode::device,
          "CAUSEWAY_CPU_ISA is '{}' (unknown, or more than this processor can run); unset it, or "
          "use baseline, "
          "avx2, avx512 or avx512bf16",
          wanted == nullptr ? "" : wanted);
  return Ops(*kernels);
}

}  // namespace causeway
