// The parts of the CPU backend: kernels and table per instruction set, and convolutions by oneDNN.
//
// Every *_cpu.cpp is compiled once per instruction set with CAUSEWAY_ISA set to its name, which is
// also the namespace of its functions. Such a file must not emit inline functions of external
// linkage: the linker keeps one copy of those, and it may be one that an older processor cannot
// run. Hence no standard containers or algorithms there, and helpers sit in unnamed namespaces.
#pragma once

#include "kernels/kernels.hpp"

namespace causeway::kernels {

// The tables, by name; constant data, so that nothing of an instruction set runs before it was
// chosen.
namespace baseline {
extern const Kernels table;
}
namespace avx2 {
extern const Kernels table;
}
namespace avx512 {
extern const Kernels table;
}
namespace avx512bf16 {
extern const Kernels table;
}

// Convolution by oneDNN, which looks at the processor itself (conv_onednn.cpp, compiled once).
Conv* conv_create(const ConvSpec&, ConstView weight, ConstView bias);
void conv_destroy(Conv*);
Status conv_prepare(Conv*, std::int64_t time, std::int64_t height, std::int64_t width, Stream);
Status conv(Conv*, ConstView x, View y, Stream);
std::size_t conv_bytes(const Conv*);
/// Whether bf16 convolutions run on bf16 instructions; elsewhere they compute in f32 inside.
bool conv_bf16_native();
/// The version of the oneDNN library in use, e.g. "2.6.3".
const char* onednn_version();

}  // namespace causeway::kernels

#ifdef CAUSEWAY_ISA
#define CAUSEWAY_BACKEND CAUSEWAY_ISA
#include "kernels/backend_functions.hpp"
#endif
