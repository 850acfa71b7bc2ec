// What encoder and decoder of the VAE are made of; every block takes one frame at a time.
//
// All temporal operators are causal, so the networks run frame by frame: a convolution over three
// frames keeps the last two frames that it was given. A frame therefore always meets the same
// shapes, whatever the number of frames in a call, and the bits of a video do not depend on how it
// was cut into calls.
//
// Activations are channels-last. What convolutions and linear layers read and write has the compute
// type; the stream that residual blocks add to is f32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "ops/ops.hpp"

namespace causeway {

/// Memory that the blocks of one network use one after another. A slot grows to its largest
/// request.
class VaeScratch {
 public:
  explicit VaeScratch(Memory& memory) : memory_(&memory) {}
  static constexpr std::size_t conv_input = 0, conv_output = 1, first_free = 2;
  /// Contiguous memory of `shape`; what an earlier `take` of this slot held is lost.
  View take(std::size_t slot, ElementType type, std::initializer_list<std::int64_t> shape);
  void release() { slots_.clear(); }
  std::size_t bytes() const;

 private:
  Memory* memory_;
  std::vector<Tensor> slots_;
};

/// What all blocks of one network share.
struct VaeRuntime {
  VaeRuntime(const Ops& the_ops, ElementType the_compute)
      : ops(the_ops), compute(the_compute), scratch(the_ops.memory()) {}
  const Ops& ops;
  ElementType compute;
  VaeScratch scratch;
};

/// Frames [first, first + count) of [t, h, w, c].
View frames_of(View x, std::int64_t first, std::int64_t count);
/// [1, h, w, c] (or [t, …]) as rows [t·h·w, c].
View rows_of(View x);
ConstView rows_of(ConstView x);
/// The numbers of `name` as f32 [count].
Tensor load_vector(const VaeRuntime& runtime, const TensorStore& store, const std::string& name,
                   const std::vector<std::int64_t>& shape);
/// A 1×1 convolution NAME.weight [outputs, inputs, 1, …], NAME.bias: its first `used_outputs`
/// outputs.
LinearWeight load_pointwise(const VaeRuntime& runtime, const TensorStore& store,
                            const std::string& name, const std::vector<std::int64_t>& shape,
                            std::int64_t used_outputs, ElementType compute);
/// A convolution NAME.weight [out, in, (kt,) kh, kw], NAME.bias.
Convolution load_convolution(const VaeRuntime& runtime, const TensorStore& store,
                             const std::string& name, kernels::ConvSpec spec,
                             bool stored_with_time);

/// A convolution over (3, 3, 3) or (3, 1, 1) that sees the current and the two frames before it
/// (zeros before the first), padded in space so that the extents stay.
class CausalConvolution {
 public:
  CausalConvolution(VaeRuntime& runtime, const TensorStore& store, const std::string& name,
                    std::int64_t in, std::int64_t out, std::int64_t spatial_kernel);
  /// Forgets the past; frames are `height` × `width` from now on.
  void begin(std::int64_t height, std::int64_t width);
  void end();
  /// Where the next frame [1, h, w, in] is to be written; it is read by `run`.
  View next_frame();
  /// → y [1, h, w, out] of the compute type.
  void run(View y);
  std::size_t weight_bytes() const { return convolution_.bytes(); }
  std::size_t cache_bytes() const { return frames_.bytes(); }
  /// Frames that are kept for one; see `frames_`.
  static constexpr std::int64_t kept_frames = 4;

 private:
  VaeRuntime* runtime_;
  Convolution convolution_;
  /// [4, h, w, in]: a convolution sees three frames in a row, the one before and the one after
  /// taking turns. So two frames are moved for every two that are made, not three for each one.
  Tensor frames_;
  std::int64_t first_ = 0;  // of the three that the next convolution sees: 0 or 1
};

/// out = S(x) + conv(silu(norm(conv(silu(norm(x)))))); S is a 1×1 convolution where the channels
/// change.
class ResidualBlock {
 public:
  ResidualBlock(VaeRuntime& runtime, const TensorStore& store, const std::string& name,
                std::int64_t in, std::int64_t out);
  void begin(std::int64_t height, std::int64_t width);
  void end();
  /// x [1, h, w, in] f32 → y [1, h, w, out] f32. Without a shortcut y is x.
  void run(View x, View y);
  bool in_place() const { return !shortcut_; }
  std::int64_t out_channels() const { return out_; }
  std::size_t weight_bytes() const;
  std::size_t cache_bytes() const { return conv1_.cache_bytes() + conv2_.cache_bytes(); }

 private:
  VaeRuntime* runtime_;
  std::int64_t out_;
  Tensor gamma1_, gamma2_;
  CausalConvolution conv1_, conv2_;
  std::optional<LinearWeight> shortcut_;
};

/// x += proj(attention(norm(x))) over the positions of one frame; one head as wide as the channels.
class FrameAttention {
 public:
  FrameAttention(VaeRuntime& runtime, const TensorStore& store, const std::string& name,
                 std::int64_t channels);
  void begin(std::int64_t height, std::int64_t width);
  void end();
  /// x [1, h, w, channels] f32, changed in place.
  void run(View x);
  std::size_t weight_bytes() const { return qkv_.bytes() + proj_.bytes() + gamma_.bytes(); }

 private:
  VaeRuntime* runtime_;
  std::int64_t channels_;
  Tensor gamma_;
  LinearWeight qkv_, proj_;
  KvStorage kv_;
};

/// Residual, attention, residual: the middle of both networks.
class VaeMiddle {
 public:
  VaeMiddle(VaeRuntime& runtime, const TensorStore& store, const std::string& name,
            std::int64_t channels);
  void begin(std::int64_t height, std::int64_t width);
  void end();
  void run(View x);
  std::size_t weight_bytes() const;
  std::size_t cache_bytes() const { return before_.cache_bytes() + after_.cache_bytes(); }

 private:
  ResidualBlock before_;
  FrameAttention attention_;
  ResidualBlock after_;
};

/// conv(silu(norm(x))): the end of both networks.
class VaeHead {
 public:
  VaeHead(VaeRuntime& runtime, const TensorStore& store, const std::string& name, std::int64_t in,
          std::int64_t out);
  void begin(std::int64_t height, std::int64_t width) { conv_.begin(height, width); }
  void end() { conv_.end(); }
  /// x [1, h, w, in] f32 → y [1, h, w, out] of the compute type.
  void run(View x, View y);
  std::size_t weight_bytes() const { return gamma_.bytes() + conv_.weight_bytes(); }
  std::size_t cache_bytes() const { return conv_.cache_bytes(); }

 private:
  VaeRuntime* runtime_;
  Tensor gamma_;
  CausalConvolution conv_;
};

}  // namespace causeway
