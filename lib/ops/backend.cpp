// Finding a backend, or saying why there is none.
#include "ops/backend.hpp"

#include <cstdlib>

#include "ops/choices.hpp"
#include "tensor/cuda_memory.hpp"

namespace causeway {

Ops open_backend(bool cuda, int rank_on_node, bool deterministic) {
  // A GPU's host side computes small things on the CPU backend, so that one is looked at in any
  // case.
  const auto* host = kernels::cpu_kernels();
  const char* wanted = std::getenv("CAUSEWAY_CPU_ISA");
  require(host != nullptr, ExitCode::device,
          "CAUSEWAY_CPU_ISA is '{}' (unknown, or more than this processor can run); unset it, or "
          "use baseline, avx2, avx512 or avx512bf16",
          wanted == nullptr ? "" : wanted);
  if (!cuda) return Ops(*host);
  Memory& memory = cuda_memory(rank_on_node);
  const auto* kernels = kernels::cuda_kernels(deterministic);
  require(kernels->measure_peak(ElementType::f32) > 0.0, ExitCode::device,
          "this GPU cannot run the kernels of this build (they are made for other GPUs: see "
          "causeway --version); build with -DCMAKE_CUDA_ARCHITECTURES=native");
  const char* problem = deterministic ? nullptr : kernels::cuda_libraries_problem();
  require(problem == nullptr, ExitCode::device,
          "matrix products, attention and convolutions on a GPU are those of NVIDIA's libraries, "
          "and one of them cannot be used ({}); install it or put its folder into LD_LIBRARY_PATH, "
          "or do without them, much slower (parallel.deterministic: true)",
          problem == nullptr ? "" : problem);
  Ops ops(*kernels, memory);
  load_choices(ops, choices_folder());
  return ops;
}

void keep_choices(const Ops& ops) { save_choices(ops, choices_folder()); }

}  // namespace causeway
