// Weights on their way from a checkpoint in the host's memory to the device, in the compute type.
#pragma once

#include "kernels/elements_cuda.hpp"
#include "kernels/launch_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

/// Element `i` of host memory of a stored type (f32, f16, bf16), at any alignment.
inline float stored_element(const void* data, ElementType type, std::int64_t i) {
  const char* at = static_cast<const char*>(data) + static_cast<std::size_t>(i) * bytes_of(type);
  if (type == ElementType::f32) {
    float value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
  }
  std::uint16_t bits;
  __builtin_memcpy(&bits, at, sizeof bits);
  return type == ElementType::f16 ? half_to_float(bits) : to_float(bfloat16{bits});
}

/// Copies `count` stored elements to the device as f32 or bf16. The host's memory may be reused
/// when this has returned.
Status upload_stored(const void* stored, ElementType type, std::int64_t count, ElementType compute,
                     void* device, Stream);

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
