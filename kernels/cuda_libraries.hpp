// What NVIDIA's libraries do in place of plain kernels, and what they need of kernels of ours.
#pragma once

#include "kernels/kernels.hpp"

namespace causeway::kernels {

namespace cuda {
/// Linear layers of `backend` are those of cuBLASLt from now on.
void use_cublaslt(Kernels& backend);
}  // namespace cuda
namespace cuda_on_host {
void use_cublaslt(Kernels& backend);
}

#ifdef CAUSEWAY_DEVICE
namespace CAUSEWAY_DEVICE {

/// y += gate·(update + bias), row by row: what no epilogue of cuBLASLt does.
/// update [rows, n] f32 or bf16, bias and gate [n] (bias may be null), y [rows, n] f32.
Status add_gated(ConstView update, const float* bias, const float* gate, View y, Stream);

}  // namespace CAUSEWAY_DEVICE
#endif

}  // namespace causeway::kernels
