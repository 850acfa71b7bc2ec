// Where keys and values lie in the CUDA backend's cache: per head, slot after slot.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/kernels.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

/// [heads, capacity, head_dim] keys, then as many values.
struct KvPlaces {
  std::int64_t heads, capacity, head_dim;

  explicit KvPlaces(const KvLayout& layout)
      : heads(layout.heads), capacity(layout.capacity), head_dim(layout.head_dim) {}

  __host__ __device__ std::int64_t head_stride() const { return capacity * head_dim; }
  /// Elements before the values.
  __host__ __device__ std::int64_t values() const { return heads * head_stride(); }
  __host__ __device__ std::int64_t key(std::int64_t head, std::int64_t slot) const {
    return head * head_stride() + slot * head_dim;
  }
};

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

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
