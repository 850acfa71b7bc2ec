// A backend around another one: something happens before and after every kernel.
#pragma once

#include <type_traits>

#include "kernels/kernels.hpp"

namespace causeway::testing {

/// `Around` has static functions `inner()`, the backend that computes, `before()`, and
/// `after(Status)`, whose status is the answer.
template <class Around>
struct WrappedKernels {
  template <auto member>
  struct Call;
  template <class... Arguments, kernels::Status (*kernels::Kernels::*member)(Arguments...)>
  struct Call<member> {
    static kernels::Status call(Arguments... arguments) {
      Around::before();
      return Around::after((Around::inner().*member)(arguments...));
    }
  };

  static kernels::Kernels table() {
    using kernels::Kernels;
    Kernels table = Around::inner();
    table.linear_pack = Call<&Kernels::linear_pack>::call;
    table.linear = Call<&Kernels::linear>::call;
    table.linear_norm = Call<&Kernels::linear_norm>::call;
    table.linear_stored = Call<&Kernels::linear_stored>::call;
    table.kv_clear = Call<&Kernels::kv_clear>::call;
    table.kv_store = Call<&Kernels::kv_store>::call;
    table.kv_load = Call<&Kernels::kv_load>::call;
    table.attention = Call<&Kernels::attention>::call;
    table.biased_attention = Call<&Kernels::biased_attention>::call;
    table.layer_norm = Call<&Kernels::layer_norm>::call;
    table.rms_norm = Call<&Kernels::rms_norm>::call;
    table.norm_rope_pack = Call<&Kernels::norm_rope_pack>::call;
    table.gamma_norm = Call<&Kernels::gamma_norm>::call;
    table.add = Call<&Kernels::add>::call;
    table.multiply = Call<&Kernels::multiply>::call;
    table.convert = Call<&Kernels::convert>::call;
    table.noise = Call<&Kernels::noise>::call;
    table.flow_to_x0 = Call<&Kernels::flow_to_x0>::call;
    table.renoise = Call<&Kernels::renoise>::call;
    table.patchify = Call<&Kernels::patchify>::call;
    table.unpatchify = Call<&Kernels::unpatchify>::call;
    table.conv = Call<&Kernels::conv>::call;
    table.upsample_nearest_2x = Call<&Kernels::upsample_nearest_2x>::call;
    table.interleave_time = Call<&Kernels::interleave_time>::call;
    table.to_channels_last = Call<&Kernels::to_channels_last>::call;
    table.to_channels_first = Call<&Kernels::to_channels_first>::call;
    table.frames_to_yuv420p = Call<&Kernels::frames_to_yuv420p>::call;
    table.rgb8_to_frames = Call<&Kernels::rgb8_to_frames>::call;
    return table;
  }
};

}  // namespace causeway::testing
