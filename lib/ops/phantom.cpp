// A device that is not there.
#include "ops/phantom.hpp"

#include <algorithm>
#include <cstring>
#include <map>

namespace causeway {
namespace {

using kernels::Conv;
using kernels::ConvSpec;
using kernels::Kernels;
using kernels::Status;

std::size_t convolution_bytes = 0;

struct PhantomConvolution {
  explicit PhantomConvolution(std::size_t held) : bytes(held) { convolution_bytes += bytes; }
  PhantomConvolution(const PhantomConvolution&) = delete;
  PhantomConvolution& operator=(const PhantomConvolution&) = delete;
  ~PhantomConvolution() { convolution_bytes -= bytes; }
  const std::size_t bytes;
};

/// Every kernel that reports a status becomes one that does nothing.
template <class... Arguments>
void silence(Status (*&kernel)(Arguments...)) {
  kernel = [](Arguments...) { return Status::ok; };
}

Kernels silent(const Kernels& like) {
  Kernels table = like;
  silence(table.linear_pack);
  silence(table.linear);
  silence(table.linear_norm);
  silence(table.linear_stored);
  silence(table.kv_clear);
  silence(table.kv_store);
  silence(table.kv_load);
  silence(table.attention);
  silence(table.biased_attention);
  silence(table.layer_norm);
  silence(table.rms_norm);
  silence(table.norm_rope_pack);
  silence(table.gamma_norm);
  silence(table.add);
  silence(table.multiply);
  silence(table.convert);
  silence(table.noise);
  silence(table.flow_to_x0);
  silence(table.renoise);
  silence(table.patchify);
  silence(table.unpatchify);
  silence(table.conv_prepare);
  silence(table.conv);
  silence(table.upsample_nearest_2x);
  silence(table.interleave_time);
  silence(table.to_channels_last);
  silence(table.to_channels_first);
  silence(table.frames_to_yuv420p);
  silence(table.rgb8_to_frames);
  table.conv_create = [](const ConvSpec& spec, ConstView weight, ConstView bias) {
    const auto weights = static_cast<std::size_t>(weight.size()) * bytes_of(spec.compute);
    const auto biases =
        bias.data == nullptr ? 0 : static_cast<std::size_t>(spec.out_channels) * sizeof(float);
    return reinterpret_cast<Conv*>(new PhantomConvolution(weights + biases));
  };
  table.conv_destroy = [](Conv* conv) { delete reinterpret_cast<PhantomConvolution*>(conv); };
  table.conv_bytes = [](const Conv* conv) {
    return reinterpret_cast<const PhantomConvolution*>(conv)->bytes;
  };
  return table;
}

}  // namespace

std::size_t phantom_convolution_bytes() { return convolution_bytes; }

void* CountedMemory::allocate(std::size_t bytes) {
  void* const pointer = reinterpret_cast<void*>(next_);
  next_ += bytes / 256 * 256 + 256;  // an address of its own, also for nothing
  in_use_ += bytes;
  peak_ = std::max(peak_, in_use_);
  return pointer;
}

void CountedMemory::release(void*, std::size_t bytes) noexcept { in_use_ -= bytes; }

void CountedMemory::copy_out(void* host, const void*, std::size_t bytes) {
  std::memset(host, 0, bytes);
}

Ops phantom_ops(const Kernels& like, CountedMemory& memory) {
  // One table per backend, as verbs and convolutions keep its address.
  static std::map<const Kernels*, Kernels> tables;
  return Ops(tables.try_emplace(&like, silent(like)).first->second, memory);
}

}  // namespace causeway
