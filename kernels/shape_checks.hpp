// Which shapes and element types kernels take: the same for every backend.
//
// In an unnamed namespace, as this is compiled once per instruction set (see cpu_backend.hpp).
#pragma once

#include <array>
#include <cstdint>

#include "kernels/kernels.hpp"

namespace causeway::kernels {
namespace {

inline bool is_f32_or_bf16(ElementType type) {
  return type == ElementType::f32 || type == ElementType::bf16;
}
/// The types of weights in a checkpoint.
inline bool is_stored_type(ElementType type) {
  return is_f32_or_bf16(type) || type == ElementType::f16;
}

inline bool has_equal_extents(const ConstView& a, const ConstView& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; ++i) {
    if (a.shape[static_cast<std::size_t>(i)] != b.shape[static_cast<std::size_t>(i)]) return false;
  }
  return true;
}

/// Whether `view` is [a, b, c, d] and contiguous.
inline bool has_shape(const ConstView& view, std::int64_t a, std::int64_t b, std::int64_t c,
                      std::int64_t d) {
  return view.rank == 4 && view.shape[0] == a && view.shape[1] == b && view.shape[2] == c &&
         view.shape[3] == d && view.is_contiguous();
}

/// Whether x and y are both [t, h, w, 3] and contiguous.
inline bool are_frames(const ConstView& x, const ConstView& y) {
  return x.rank == 4 && x.shape[3] == 3 && x.is_contiguous() &&
         has_shape(y, x.shape[0], x.shape[1], x.shape[2], 3);
}

/// Whether x is [t, h, w, 3], h and w even, and y is [t, h·w·3/2], both contiguous.
inline bool are_frames_and_planes(const ConstView& x, const ConstView& y) {
  return x.rank == 4 && x.shape[3] == 3 && x.shape[1] % 2 == 0 && x.shape[2] % 2 == 0 &&
         x.is_contiguous() && y.rank == 2 && y.shape[0] == x.shape[0] &&
         y.shape[1] == x.shape[1] * x.shape[2] / 2 * 3 && y.is_contiguous();
}

/// Whether x and y are [rows, width] with contiguous rows.
inline bool are_rows(const ConstView& x, const ConstView& y) {
  return x.rank == 2 && y.rank == 2 && x.shape[0] == y.shape[0] && x.shape[1] == y.shape[1] &&
         x.shape[1] > 0 && (x.stride[1] == 1 || x.shape[1] == 1) &&
         (y.stride[1] == 1 || y.shape[1] == 1);
}

/// Whether `norm` is of the sum that `linear` adds to.
inline bool is_linear_norm(const LinearArgs& linear, const LayerNormArgs& norm) {
  const ConstView sum = linear.y;
  return linear.accumulate && linear.activation == Activation::none && norm.x.data == sum.data &&
         norm.x.type == sum.type && has_equal_extents(norm.x, sum) &&
         norm.x.stride[0] == sum.stride[0] && norm.x.stride[1] == sum.stride[1] &&
         (norm.y.data != linear.x.data || sum.shape[0] == 0);
}

inline bool is_sound(const LayerNormArgs& args) {
  return are_rows(args.x, args.y) && args.x.type == ElementType::f32 && args.scale != nullptr &&
         args.shift != nullptr;
}

inline bool is_sound(const NormRopePackArgs& args) {
  const ConstView& x = args.x;
  return args.heads > 0 && args.head_dim > 0 && args.head_groups > 0 &&
         args.heads % args.head_groups == 0 && x.rank == 2 &&
         x.shape[1] == args.heads * args.head_dim && (x.stride[1] == 1 || x.shape[1] == 1) &&
         (args.cos_sin == nullptr || args.head_dim % 2 == 0);
}

inline bool is_valid(const KvLayout& layout) {
  return layout.heads >= 1 && layout.head_dim >= 1 && layout.capacity >= 1 &&
         (layout.type == ElementType::f32 || layout.head_dim % 2 == 0);
}

/// Whether `view` is [tokens, heads, head_dim] with a contiguous last axis.
inline bool is_heads(const ConstView& view, std::int64_t tokens, std::int64_t heads,
                     std::int64_t head_dim) {
  return view.rank == 3 && view.shape[0] == tokens && view.shape[1] == heads &&
         view.shape[2] == head_dim && (head_dim == 1 || view.stride[2] == 1);
}

/// Whether k and v are tokens that fit into the cache from `slot` on.
inline Status check_tokens(const KvLayout& layout, std::int64_t slot, const ConstView& k,
                           const ConstView& v) {
  if (!is_f32_or_bf16(layout.type)) return Status::unsupported_type;
  const bool fits = is_valid(layout) && k.rank == 3 && slot >= 0 &&
                    slot + k.shape[0] <= layout.capacity &&
                    is_heads(k, k.shape[0], layout.heads, layout.head_dim) &&
                    is_heads(v, k.shape[0], layout.heads, layout.head_dim);
  return fits ? Status::ok : Status::bad_shape;
}

inline bool is_sound(const ConvSpec& spec, const ConstView& weight, const ConstView& bias) {
  bool sound = spec.in_channels > 0 && spec.out_channels > 0 && weight.rank == 5 &&
               weight.data != nullptr && weight.is_contiguous() && is_stored_type(weight.type) &&
               weight.shape[0] == spec.out_channels && weight.shape[1] == spec.in_channels &&
               is_f32_or_bf16(spec.compute);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    sound = sound && spec.kernel[axis] > 0 && spec.stride[axis] > 0 && spec.pad_before[axis] >= 0 &&
            spec.pad_after[axis] >= 0 && weight.shape[axis + 2] == spec.kernel[axis];
  }
  if (bias.data != nullptr) {
    sound = sound && bias.rank == 1 && bias.shape[0] == spec.out_channels && bias.is_contiguous() &&
            is_stored_type(bias.type);
  }
  return sound;
}

/// [time, height, width] of a convolution's output, or zeros where the kernel does not fit.
inline std::array<std::int64_t, 3> output_of(const ConvSpec& spec,
                                             const std::array<std::int64_t, 3>& input) {
  std::array<std::int64_t, 3> output{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::int64_t room =
        input[axis] + spec.pad_before[axis] + spec.pad_after[axis] - spec.kernel[axis];
    if (input[axis] <= 0 || room < 0) return {};
    output[axis] = room / spec.stride[axis] + 1;
  }
  return output;
}

/// Whether a convolution of `spec` takes x [t, h, w, in] to y [t', h', w', out].
inline Status check_convolution(const ConvSpec& spec, const ConstView& x, const ConstView& y) {
  if (x.rank != 4 || y.rank != 4 || !x.is_contiguous() || !y.is_contiguous()) {
    return Status::bad_shape;
  }
  if (x.type != spec.compute || y.type != spec.compute) return Status::unsupported_type;
  const auto output = output_of(spec, {x.shape[0], x.shape[1], x.shape[2]});
  const bool fits = output[0] > 0 && x.shape[3] == spec.in_channels &&
                    has_shape(y, output[0], output[1], output[2], spec.out_channels);
  return fits ? Status::ok : Status::bad_shape;
}

}  // namespace
}  // namespace causeway::kernels
