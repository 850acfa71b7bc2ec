// The table of one instruction set: every kernel of the catalogue, by name.
#include "kernels/cpu_backend.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {

constinit const Kernels table = {
    .name = "cpu-" CAUSEWAY_STRING(CAUSEWAY_ISA),
#if defined(__AVX512BF16__)
    .native_bf16 = true,
#else
    .native_bf16 = false,
#endif
    .deterministic = true,
    CAUSEWAY_ALL_KERNELS,
};

}  // namespace causeway::kernels::CAUSEWAY_ISA
