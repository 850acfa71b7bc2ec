// The kernels of one backend by name, in the namespace CAUSEWAY_BACKEND, and how they fill its
// table.
#pragma once

#include "kernels/kernels.hpp"
#include "kernels/shape_checks.hpp"

namespace causeway::kernels::CAUSEWAY_BACKEND {

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
Status frames_to_yuv420p(ConstView x, View y, Stream);
Status rgb8_to_frames(ConstView x, View y, Stream);

double measure_peak(ElementType compute);

namespace {
/// The one after the other, with the bits of each.
inline Status linear_norm(const LinearArgs& args, const LayerNormArgs& norm, Stream stream) {
  if (!is_linear_norm(args, norm)) return Status::bad_shape;
  const Status status = linear(args, stream);
  return status == Status::ok ? layer_norm(norm, stream) : status;
}
}  // namespace

}  // namespace causeway::kernels::CAUSEWAY_BACKEND

#define CAUSEWAY_STRING_OF(word) #word
#define CAUSEWAY_STRING(macro) CAUSEWAY_STRING_OF(macro)

/// Every member of the table after its name and properties, of a backend that has nothing to choose
/// from; convolutions stand in the backend's namespace or in the one around it.
#define CAUSEWAY_ALL_KERNELS                                                                    \
  .linear_packed_bytes = linear_packed_bytes, .linear_pack = linear_pack, .linear = linear,     \
  .linear_norm = linear_norm, .linear_stored_workspace = linear_stored_workspace,               \
  .linear_stored = linear_stored, .kv_bytes = kv_bytes, .kv_clear = kv_clear,                   \
  .kv_store = kv_store, .kv_load = kv_load, .attention = attention,                             \
  .biased_attention = biased_attention, .layer_norm = layer_norm, .rms_norm = rms_norm,         \
  .norm_rope_pack = norm_rope_pack, .gamma_norm = gamma_norm, .add = add, .multiply = multiply, \
  .convert = convert, .noise = noise, .flow_to_x0 = flow_to_x0, .renoise = renoise,             \
  .patchify = patchify, .unpatchify = unpatchify, .conv_create = conv_create,                   \
  .conv_destroy = conv_destroy, .conv_prepare = conv_prepare, .conv = conv,                     \
  .conv_bytes = conv_bytes, .upsample_nearest_2x = upsample_nearest_2x,                         \
  .interleave_time = interleave_time, .to_channels_last = to_channels_last,                     \
  .to_channels_first = to_channels_first, .frames_to_yuv420p = frames_to_yuv420p,               \
  .rgb8_to_frames = rgb8_to_frames, .choices = no_choices, .use_choices = use_no_choices,       \
  .measure_peak = measure_peak
