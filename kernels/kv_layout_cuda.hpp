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

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
