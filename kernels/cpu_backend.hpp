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
Status conv_prepare(Conv*, std::int64_t time, std::int64_t height, std::int64_t width);
Status conv(Conv*, ConstView x, View y, Stream);
std::size_t conv_bytes(const Conv*);
/// Whether bf16 convolutions run on bf16 instructions; elsewhere they compute in f32 inside.
bool conv_bf16_native();
/// The version of the oneDNN library in use, e.g. "2.6.3".
const char* onednn_version();

#ifdef CAUSEWAY_ISA
namespace CAUSEWAY_ISA {

std::size_t linear_packed_bytes(std::int64_t n, std::int64_t k, ElementType compute);
Status linear_pack(ConstView weight, ElementType compute, void* packed, Stream);
Status linear(const LinearArgs&, Stream);
std::size_t linear_stored_workspace(std::int64_t k, ElementType compute);
Status linear_stored(const LinearStoredArgs&, Stream);

std::size_t kv_bytes(const KvLayout&);
Status kv_clear(const KvLayout&, void* cache, Stream);
Status kv_store(const KvStoreArgs&, Stream);
Status kv_load(const KvLoadArgs&, Stream);
Status attention(const AttentionArgs&, Stream);
Status biased_attention(const BiasedAttentionArgs&, Stream);

Status layer_norm(const LayerNormArgs&, Stream);
Status rms_norm(const RmsNormArgs&, Stream);
Status norm_rope_pack(const NormRopePackArgs&, Stream);
Status gamma_norm(const GammaNormArgs&, Stream);

Status add(ConstView a, ConstView b, View y, Stream);
Status multiply(ConstView a, ConstView b, View y, Stream);
Status convert(ConstView x, View y, Stream);

Status noise(const NoiseArgs&, Stream);
Status flow_to_x0(const FlowToX0Args&, Stream);
Status renoise(const RenoiseArgs&, Stream);
Status patchify(const PatchArgs&, Stream);
Status unpatchify(const PatchArgs&, Stream);

Status upsample_nearest_2x(ConstView x, View y, Stream);
Status interleave_time(ConstView x, View y, Stream);
Status to_channels_last(const ChannelArgs&, Stream);
Status to_channels_first(const ChannelArgs&, Stream);
Status frames_to_rgb8(ConstView x, View y, Stream);
Status rgb8_to_frames(ConstView x, View y, Stream);

double measure_peak(ElementType compute);

}  // namespace CAUSEWAY_ISA
#endif

}  // namespace causeway::kernels
