// Finding a backend, or saying why there is none.
#include "ops/backend.hpp"

#include <cstdlib>

namespace causeway {

Ops open_backend(bool cuda) {
  if (cuda) {
    const auto* kernels = kernels::cuda_kernels();
    require(kernels != nullptr, ExitCode::device,
            "the CUDA backend was asked for (parallel.device: cuda), but this build has none; use "
            "device: cpu or a "
            "build with CUDA");
    // The kernels are there; tensors in the GPU's memory, and a model that keeps to them, are not.
    fail(ExitCode::device,
         "the CUDA backend was asked for (parallel.device: cuda); this build has its kernels, but "
         "the model does not run on them yet; use device: cpu");
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
