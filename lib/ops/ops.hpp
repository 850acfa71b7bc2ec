// The face of lib/ops: the verbs in which the networks are written.
#pragma once

#include <memory>

#include "core/error.hpp"
#include "kernels/kernels.hpp"
#include "kernels/noise.hpp"
#include "tensor/tensor.hpp"

namespace causeway {

using kernels::Activation;
using kernels::KvLayout;
using kernels::NoisePurpose;
using kernels::PatchGeometry;

/// A linear layer's weight, packed once for one backend and one compute type.
class LinearWeight {
 public:
  LinearWeight() = default;
  std::int64_t outputs() const { return n_; }
  std::int64_t inputs() const { return k_; }
  ElementType compute() const { return compute_; }
  std::size_t bytes() const { return packed_.bytes() + bias_.bytes(); }

 private:
  friend class Ops;
  Tensor packed_;  // bytes in the backend's own layout
  Tensor bias_;    // [n] f32, or empty
  std::int64_t n_ = 0, k_ = 0;
  ElementType compute_ = ElementType::f32;
};

/// How a linear layer ends.
struct LinearEnd {
  Activation activation = Activation::none;
  bool accumulate = false;      ///< y += result·gate instead of y = result
  const float* gate = nullptr;  ///< [n] or null (ones); with accumulate
};

/// The parameters of a LayerNorm; see kernels::LayerNormArgs.
struct LayerNorm {
  const float* scale = nullptr;  ///< [width]
  const float* shift = nullptr;  ///< [width]
  bool one_plus_scale = false;
  float eps = 1e-6f;
};

/// Keys and values of some heads, in the backend's own layout.
class KvStorage {
 public:
  KvStorage() = default;
  const KvLayout& layout() const { return layout_; }
  std::size_t bytes() const { return memory_.bytes(); }

 private:
  friend class Ops;
  Tensor memory_;
  KvLayout layout_;
};

/// Gives a convolution back to the backend that made it.
struct ConvolutionDeleter {
  const kernels::Kernels* backend = nullptr;
  void operator()(kernels::Conv* conv) const { backend->conv_destroy(conv); }
};

/// A convolution with its weights; see kernels::ConvSpec.
class Convolution {
 public:
  Convolution() = default;
  const kernels::ConvSpec& spec() const { return spec_; }
  std::size_t bytes() const;
  /// Extents of the output for an input of [time, height, width].
  std::array<std::int64_t, 3> output_extents(std::int64_t time, std::int64_t height,
                                             std::int64_t width) const;

 private:
  friend class Ops;
  std::unique_ptr<kernels::Conv, ConvolutionDeleter> conv_;
  kernels::ConvSpec spec_;
};

/// Which numbers of which video: the key of a counter-based draw.
struct NoiseDraw {
  std::uint64_t seed = 0, sample = 0;
  NoisePurpose purpose = NoisePurpose::initial;
  std::uint32_t chunk = 0, step = 0;
};

/// The verbs of one backend on one device. Shapes are checked before a kernel runs, its status
/// after; a mismatch is our own bug. Results of rows never depend on how many rows a call has.
class Ops {
 public:
  explicit Ops(const kernels::Kernels& kernels, Memory& memory = host_memory())
      : kernels_(&kernels), memory_(&memory), stream_(memory.stream()) {}

  const kernels::Kernels& kernels() const { return *kernels_; }
  Memory& memory() const { return *memory_; }
  Tensor tensor(ElementType type, const std::vector<std::int64_t>& shape) const {
    return Tensor(type, shape, *memory_);
  }
  /// A tensor of the host's memory where this backend's kernels find it.
  Tensor on_device(Tensor host) const { return std::move(host).moved_to(*memory_); }
  /// A copy of the host's memory (contiguous) there.
  Tensor uploaded(ConstView host) const;
  /// A copy of such a tensor (contiguous) in the host's memory.
  Tensor downloaded(ConstView x) const;
  /// The same verbs for the host's memory, by a CPU backend: these themselves where they are one.
  Ops on_host() const;

  /// Packs weight [n, k] (f32, f16 or bf16; contiguous) and bias [n] (any of them, or empty: rank
  /// 0), both in the host's memory.
  LinearWeight pack(ConstView weight, ConstView bias, ElementType compute) const;
  /// x [rows, k] → y [rows, n].
  void linear(ConstView x, const LinearWeight& weight, View y, const LinearEnd& end = {}) const;
  /// y += x·W'·gate (gate [n], or null for ones), and then the norm of y → normed [rows, n]. y is
  /// f32; normed shares no memory with x.
  void linear_norm(ConstView x, const LinearWeight& weight, const float* gate, View y,
                   const LayerNorm& norm, View normed) const;
  /// As `linear` with a weight [n, k] as it lies in a checkpoint in the host's memory; bias is f32
  /// [n] or null.
  void linear_stored(ConstView x, ConstView weight, const float* bias, View y,
                     Activation activation = Activation::none) const;

  KvStorage make_kv(const KvLayout& layout) const;
  void kv_clear(KvStorage& kv) const;
  /// k, v [tokens, heads, head_dim] → slots from `slot` on.
  void kv_store(KvStorage& kv, ConstView k, ConstView v, std::int64_t slot) const;
  void kv_load(const KvStorage& kv, std::int64_t slot, View k, View v) const;
  /// q [tokens, heads, head_dim] against slots [0, valid) → y of the same shape.
  void attention(const KvStorage& kv, std::int64_t valid, ConstView q, float scale,
                 float last_key_bias, View y) const;
  void biased_attention(ConstView q, ConstView k, ConstView v, const float* relative_bias,
                        View y) const;

  /// x [rows, width] f32 → y.
  void layer_norm(ConstView x, const LayerNorm& norm, View y) const;
  void rms_norm(ConstView x, const float* weight, float eps, View y) const;
  void norm_rope_pack(const kernels::NormRopePackArgs& args) const;
  /// x [rows, channels] → y. See kernels::GammaNormArgs.
  void gamma_norm(ConstView x, const float* gamma, bool silu, View y) const;

  void add(ConstView a, ConstView b, View y) const;
  void multiply(ConstView a, ConstView b, View y) const;
  void convert(ConstView x, View y) const;
  /// A copy as f32 of numbers in the host's memory, e.g. a norm weight in a checkpoint. x is
  /// contiguous.
  Tensor to_f32(ConstView x) const;

  /// Standard normal numbers for tokens [first_token, first_token + tokens) of a chunk → y [tokens,
  /// token_width]; they depend on the draw and the token alone.
  void noise(const NoiseDraw& draw, const PatchGeometry& geometry, std::int64_t first_token,
             std::int64_t tokens, float* y) const;
  void flow_to_x0(const kernels::FlowToX0Args& args) const;
  void renoise(const kernels::RenoiseArgs& args) const;
  void patchify(const kernels::PatchArgs& args) const;
  void unpatchify(const kernels::PatchArgs& args) const;

  /// weight and bias lie in the host's memory.
  Convolution make_convolution(const kernels::ConvSpec& spec, ConstView weight,
                               ConstView bias) const;
  /// Makes the plan for inputs of these extents ahead of time (also done on first use).
  void prepare(Convolution& convolution, std::int64_t time, std::int64_t height,
               std::int64_t width) const;
  /// x [t, h, w, in] → y [t', h', w', out].
  void convolve(Convolution& convolution, ConstView x, View y) const;
  void upsample_nearest_2x(ConstView x, View y) const;
  void interleave_time(ConstView x, View y) const;
  void to_channels_last(ConstView x, const float* scale, const float* shift, View y) const;
  void to_channels_first(ConstView x, const float* scale, const float* shift, View y) const;
  /// x [t, h, w, 3] → y [t, h·w·3/2], h and w even.
  void frames_to_yuv420p(ConstView x, View y) const;
  void rgb8_to_frames(ConstView x, View y) const;

 private:
  /// Checks what `linear` and `linear_norm` take alike.
  kernels::LinearArgs linear_args(ConstView x, const LinearWeight& weight, View y,
                                  const LinearEnd& end) const;

  const kernels::Kernels* kernels_;
  Memory* memory_;
  kernels::Stream stream_;
};

/// The same memory seen with another shape; x must be contiguous and of equal size.
View reshaped(View x, std::initializer_list<std::int64_t> shape);
ConstView reshaped(ConstView x, std::initializer_list<std::int64_t> shape);

/// Columns [first, first + count) of a view [rows, columns].
View columns(View x, std::int64_t first, std::int64_t count);
ConstView columns(ConstView x, std::int64_t first, std::int64_t count);

}  // namespace causeway
