// The table of the CUDA backend: every kernel of the catalogue, by name.
#include "kernels/cuda_backend.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

constinit const Kernels table = {
    .name = CAUSEWAY_STRING(CAUSEWAY_DEVICE),
    .native_bf16 = false,
    .deterministic = true,
    CAUSEWAY_ALL_KERNELS,
};

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
