// Rows in groups of four neighbouring columns, each one load or store where the memory allows it.
//
// A warp has a row. Its sums run over a lane's columns in order, then over the lanes in a tree, so
// that a row's bits depend on its own numbers and width alone. A lane has the same columns, and
// takes them in the same order, where it goes column by column: addresses do not matter either.
#pragma once

#include <type_traits>

#include "kernels/elements_cuda.hpp"
#include "kernels/launch_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

constexpr int group_columns = 4;  ///< 16 bytes of f32, 8 of bf16

/// What a lane reads or writes at a time.
struct Group {
  float at[group_columns];
};

/// Whether groups of [rows, width] are whole, and each at an address that its size divides.
inline bool in_whole_groups(const ConstView& rows) {
  const std::size_t bytes = group_columns * bytes_of(rows.type);
  const bool whole_rows = rows.shape[0] <= 1 || rows.stride[0] % group_columns == 0;
  return rows.shape[1] % group_columns == 0 && whole_rows &&
         reinterpret_cast<std::uintptr_t>(rows.data) % bytes == 0;
}
/// The same of parameters, one per column; null where there are none.
inline bool in_whole_groups(const float* parameters) {
  return reinterpret_cast<std::uintptr_t>(parameters) % (group_columns * sizeof(float)) == 0;
}

/// Calls f(typed y, whether groups are whole) for rows x to y with these parameters per column.
template <class F, class... Parameters>
Status with_rows(const ConstView& x, const View& y, F f, const Parameters*... parameters) {
  const bool whole =
      in_whole_groups(x) && in_whole_groups(y) && (in_whole_groups(parameters) && ...);
  return with_type(y.type, y.data, [&](auto* target) {
    return whole ? f(target, std::true_type{}) : f(target, std::false_type{});
  });
}

/// The bf16 number in the lower half of a word.
__device__ inline float low_half(unsigned word) {
  return to_float(bfloat16{static_cast<std::uint16_t>(word & 0xffffu)});
}
/// Two numbers as bf16 in a word, the first one in its lower half.
__device__ inline unsigned word_of(float low, float high) {
  return to_bfloat16(low).bits | static_cast<unsigned>(to_bfloat16(high).bits) << 16;
}

__device__ inline Group read_vector(const float* from) {
  const float4 words = *reinterpret_cast<const float4*>(from);
  return {{words.x, words.y, words.z, words.w}};
}
__device__ inline Group read_vector(const bfloat16* from) {
  const uint2 words = *reinterpret_cast<const uint2*>(from);
  return {{low_half(words.x), low_half(words.x >> 16), low_half(words.y), low_half(words.y >> 16)}};
}
// nvcc splits the assignment of a vector where it unrolls a loop; __stwb is always one store.
__device__ inline void write_vector(float* to, const Group& group) {
  const float* at = group.at;
  __stwb(reinterpret_cast<float4*>(to), make_float4(at[0], at[1], at[2], at[3]));
}
__device__ inline void write_vector(bfloat16* to, const Group& group) {
  const float* at = group.at;
  __stwb(reinterpret_cast<uint2*>(to), make_uint2(word_of(at[0], at[1]), word_of(at[2], at[3])));
}

/// The first `count` columns from `from` on; the others are 0.
template <bool whole, class T>
__device__ Group read_group(const T* from, int count) {
  if constexpr (whole) {
    return read_vector(from);
  } else {
    Group group{};
#pragma unroll
    for (int j = 0; j < group_columns; ++j) {
      if (j < count) group.at[j] = read_element(from + j);
    }
    return group;
  }
}

template <bool whole, class T>
__device__ void write_group(T* to, const Group& group, int count) {
  if constexpr (whole) {
    write_vector(to, group);
  } else {
#pragma unroll
    for (int j = 0; j < group_columns; ++j) {
      if (j < count) write_element(to + j, group.at[j]);
    }
  }
}

/// group[j] = f(group[j], others[j]...).
template <class F, class... Groups>
__device__ void change_group(Group& group, F f, const Groups&... others) {
#pragma unroll
  for (int j = 0; j < group_columns; ++j) group.at[j] = f(group.at[j], others.at[j]...);
}

/// f(first column, columns) for the groups of a lane, in order; only the row's last one may be
/// short, where groups are not whole.
template <bool whole, class F>
__device__ void each_group(std::int64_t width, int lane, F f) {
  constexpr std::int64_t step = warp_lanes * group_columns;
  for (std::int64_t i = lane * group_columns; i < width; i += step) {
    const bool full = whole || i + group_columns <= width;
    f(i, full ? group_columns : static_cast<int>(width - i));
  }
}

/// What `add(sum, value)` makes of a lane's sum so far and one group more.
template <class Add>
__device__ float add_group(float sum, const Group& group, int count, Add add) {
#pragma unroll
  for (int j = 0; j < group_columns; ++j) {
    if (j < count) sum = add(sum, group.at[j]);
  }
  return sum;
}

/// The sum over a row: over a lane's columns in order, then over the lanes.
template <bool whole, class T, class Add>
__device__ float row_sum(const T* row, std::int64_t width, int lane, Add add) {
  float sum = 0.0f;
  each_group<whole>(width, lane, [&](std::int64_t i, int count) {
    sum = add_group(sum, read_group<whole>(row + i, count), count, add);
  });
  return warp_sum(sum);
}

/// y[i] = f(x[i], parameters[i]...) over a row; y may be x.
template <bool whole, class X, class Y, class F, class... Parameters>
__device__ void map_row(const X* x, Y* y, std::int64_t width, int lane, F f,
                        const Parameters*... parameters) {
  each_group<whole>(width, lane, [&](std::int64_t i, int count) {
    Group group = read_group<whole>(x + i, count);
    change_group(group, f, read_group<whole>(parameters + i, count)...);
    write_group<whole>(y + i, group, count);
  });
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
