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

Conv* conv_create(const ConvSpec&, ConstView weight, ConstView bias);
void conv_destroy(Conv*);
Status conv_prepare(Conv*, std::int64_t time, std::int64_t height, std::int64_t width);
Status conv(Conv*, ConstView x, View y, Stream);
std::size_t conv_bytes(const Conv*);

Status upsample_nearest_2x(ConstView x, View y, Stream);
Status interleave_time(ConstView x, View y, Stream);
Status to_channels_last(const ChannelArgs&, Stream);
Status to_channels_first(const ChannelArgs&, Stream);
Status frames_to_rgb8(ConstView x, View y, Stream);
Status rgb8_to_frames(ConstView x, View y, Stream);

double measure_peak(ElementType compute);

}  // namespace CAUSEWAY_DEVICE
#endif

}  // namespace causeway::kernels
