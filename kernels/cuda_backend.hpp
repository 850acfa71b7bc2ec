// The parts of the CUDA backend.
//
// Pointers in their arguments lie on the device, except for weights as they lie in a checkpoint
// (`linear_pack`, `linear_stored`, `conv_create`), which lie in the host's memory.
//
// Every *_cuda.cu is compiled with CAUSEWAY_DEVICE set to the namespace of its functions: `cuda` by
// nvcc for the program, `cuda_on_host` as C++ for tests on machines without a GPU.
#pragma once

#include "kernels/kernels.hpp"

namespace causeway::kernels {

namespace cuda {
extern const Kernels table;
}
namespace cuda_on_host {
extern const Kernels table;
}

#ifdef CAUSEWAY_DEVICE
namespace CAUSEWAY_DEVICE {

Conv* conv_create(const ConvSpec&, ConstView weight, ConstView bias);
void conv_destroy(Conv*);
Status conv_prepare(Conv*, std::int64_t time, std::int64_t height, std::int64_t width, Stream);
Status conv(Conv*, ConstView x, View y, Stream);
std::size_t conv_bytes(const Conv*);

}  // namespace CAUSEWAY_DEVICE
#endif

}  // namespace causeway::kernels

#ifdef CAUSEWAY_DEVICE
#define CAUSEWAY_BACKEND CAUSEWAY_DEVICE
#include "kernels/backend_functions.hpp"
#endif
