// What cuDNN is asked to do: shapes of attention and convolutions, and which calls of the catalogue
// have one. What has none is left to the plain kernels.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>

#include "kernels/kernels.hpp"
#include "kernels/shape_checks.hpp"

namespace causeway::kernels {

/// softmax(scale·q·Kᵀ + bias)·V with all that its graph depends on; q, k, v and y are bf16.
struct AttentionShape {
  std::int64_t heads = 0, head_dim = 0;
  std::int64_t queries = 0, keys = 0;
  std::int64_t q_token_stride = 0, q_head_stride = 0;  ///< of q [queries, heads, head_dim]
  std::int64_t y_token_stride = 0, y_head_stride = 0;  ///< of y, likewise
  std::int64_t kv_head_stride = 0;  ///< of k and v [heads, slots, head_dim], rows without gaps
  float scale = 1.0f;
  bool has_bias = false;  ///< [keys] f32, added to the scaled scores of every query
  /// Above 1 the keys are split: y is [parts, queries, heads, head_dim], each row the result over
  /// the keys of a part, and lse [parts, heads, queries] f32 says what it weighs. No bias then.
  std::int64_t parts = 1;
  auto operator<=>(const AttentionShape&) const = default;
};

/// Keys of a part; the last one may have fewer.
constexpr std::int64_t part_keys(const AttentionShape& s) {
  return (s.keys + s.parts - 1) / s.parts;
}
constexpr bool has_shorter_part(const AttentionShape& s) { return s.keys % s.parts != 0; }

/// A convolution over bf16 [time, height, width, channels], with all that its graph depends on.
struct ConvolutionShape {
  std::int64_t in_channels = 0, out_channels = 0;
  std::array<std::int64_t, 3> kernel{}, stride{}, pad_before{}, pad_after{};
  std::array<std::int64_t, 3> input{}, output{};  ///< [time, height, width]
  bool has_bias = false;                          ///< [out_channels] bf16
  auto operator<=>(const ConvolutionShape&) const = default;
};

namespace {

/// The library reads and writes 16 bytes at a time.
constexpr std::int64_t cudnn_alignment = 16;
constexpr std::int64_t aligned_elements = cudnn_alignment / 2;

inline bool is_aligned_for_cudnn(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % cudnn_alignment == 0;
}

/// Nothing for calls that are not sound, too: the plain kernel says what is wrong with them.
inline std::optional<AttentionShape> cudnn_shape(const AttentionArgs& args) {
  const KvLayout& layout = args.layout;
  const ConstView& q = args.q;
  const View& y = args.y;
  const bool sound = is_valid(layout) && args.valid >= 1 && args.valid <= layout.capacity &&
                     args.scale > 0.0f && q.rank == 3 && q.shape[0] >= 1 &&
                     is_heads(q, q.shape[0], layout.heads, layout.head_dim) &&
                     is_heads(y, q.shape[0], layout.heads, layout.head_dim);
  if (!sound || layout.type != ElementType::bf16 || q.type != layout.type || y.type != q.type) {
    return {};
  }
  const auto whole = [](std::int64_t elements) { return elements % aligned_elements == 0; };
  if (!whole(layout.head_dim) || !whole(q.stride[0]) || !whole(q.stride[1]) ||
      !whole(y.stride[0]) || !whole(y.stride[1]) || !is_aligned_for_cudnn(q.data) ||
      !is_aligned_for_cudnn(y.data) || !is_aligned_for_cudnn(args.cache)) {
    return {};
  }
  return AttentionShape{.heads = layout.heads,
                        .head_dim = layout.head_dim,
                        .queries = q.shape[0],
                        .keys = args.valid,
                        .q_token_stride = q.stride[0],
                        .q_head_stride = q.stride[1],
                        .y_token_stride = y.stride[0],
                        .y_head_stride = y.stride[1],
                        .kv_head_stride = layout.capacity * layout.head_dim,
                        .scale = args.scale,
                        .has_bias = args.last_key_bias != 0.0f};
}

/// Of a convolution of `spec` over an input of [time, height, width].
inline std::optional<ConvolutionShape> cudnn_shape(const ConvSpec& spec,
                                                   const std::array<std::int64_t, 3>& input,
                                                   bool has_bias) {
  const auto output = output_of(spec, input);
  if (spec.compute != ElementType::bf16 || output[0] == 0) return {};
  return ConvolutionShape{.in_channels = spec.in_channels,
                          .out_channels = spec.out_channels,
                          .kernel = spec.kernel,
                          .stride = spec.stride,
                          .pad_before = spec.pad_before,
                          .pad_after = spec.pad_after,
                          .input = input,
                          .output = output,
                          .has_bias = has_bias};
}

}  // namespace
}  // namespace causeway::kernels
