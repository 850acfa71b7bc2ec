// Chooses a CPU backend: the newest instruction set that was built and that this processor runs.
#include <array>
#include <cstdlib>
#include <cstring>

#include "kernels/cpu_backend.hpp"

namespace causeway::kernels {
namespace {

struct Backend {
  const char* isa;
  const Kernels* table;
  bool (*runs_here)();
};

#ifdef CAUSEWAY_HAVE_avx512
bool runs_avx512() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}
#endif

// Newest first. Every processor with AVX2 also has F16C, which GCC 12 has no name for.
constexpr std::array backends{
#ifdef CAUSEWAY_HAVE_avx512bf16
    Backend{"avx512bf16", &avx512bf16::table,
            [] { return runs_avx512() && __builtin_cpu_supports("avx512bf16") != 0; }},
#endif
#ifdef CAUSEWAY_HAVE_avx512
    Backend{"avx512", &avx512::table, runs_avx512},
#endif
#ifdef CAUSEWAY_HAVE_avx2
    Backend{"avx2", &avx2::table,
            [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }},
#endif
    Backend{"baseline", &baseline::table, [] { return true; }},
};

}  // namespace

const Kernels* cpu_kernels_named(const char* isa) {
  for (const Backend& backend : backends) {
    if (std::strcmp(backend.isa, isa) == 0) return backend.runs_here() ? backend.table : nullptr;
  }
  return nullptr;
}

const Kernels* cpu_kernels() {
  if (const char* isa = std::getenv("CAUSEWAY_CPU_ISA"); isa != nullptr && *isa != '\0') {
    return cpu_kernels_named(isa);
  }
  for (const Backend& backend : backends) {
    if (backend.runs_here()) return backend.table;
  }
  return nullptr;
}

}  // namespace causeway::kernels
