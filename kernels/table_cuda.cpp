// The table of the CUDA backend: every kernel of the catalogue, by name.
#include "kernels/cuda_backend.hpp"

#define CAUSEWAY_STRING_OF(word) #word
#define CAUSEWAY_STRING(macro) CAUSEWAY_STRING_OF(macro)

namespace causeway::kernels::CAUSEWAY_DEVICE {

constinit const Kernels table = {
    .name = CAUSEWAY_STRING(CAUSEWAY_DEVICE),
    .native_bf16 = false,
    .linear_packed_bytes = linear_packed_bytes,
    .linear_pack = linear_pack,
    .linear = linear,
    .linear_stored_workspace = linear_stored_workspace,
    .linear_stored = linear_stored,
    .kv_bytes = kv_bytes,
    .kv_clear = kv_clear,
    .kv_store = kv_store,
    .kv_load = kv_load,
    .attention = attention,
    .biased_attention = biased_attention,
    .layer_norm = layer_norm,
    .rms_norm = rms_norm,
    .norm_rope_pack = norm_rope_pack,
    .gamma_norm = gamma_norm,
    .add = add,
    .multiply = multiply,
    .convert = convert,
    .noise = noise,
    .flow_to_x0 = flow_to_x0,
    .renoise = renoise,
    .patchify = patchify,
    .unpatchify = unpatchify,
    .conv_create = conv_create,
    .conv_destroy = conv_destroy,
    .conv_prepare = conv_prepare,
    .conv = conv,
    .conv_bytes = conv_bytes,
    .upsample_nearest_2x = upsample_nearest_2x,
    .interleave_time = interleave_time,
    .to_channels_last = to_channels_last,
    .to_channels_first = to_channels_first,
    .frames_to_rgb8 = frames_to_rgb8,
    .rgb8_to_frames = rgb8_to_frames,
    .measure_peak = measure_peak,
};

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
