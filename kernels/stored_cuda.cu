// Weights on their way from a checkpoint in the host's memory to the device, in the compute type.
#include "kernels/stored_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

constexpr std::int64_t piece = 1 << 15;  ///< elements converted at a time, on the stack

/// Waits: whether a copy has read its source when the call returns depends on the kind of memory.
Status copy(void* device, const void* host, std::size_t bytes, cudaStream_t stream) {
  const cudaError_t error = cudaMemcpyAsync(device, host, bytes, cudaMemcpyDefault, stream);
  return status_of(error == cudaSuccess ? cudaStreamSynchronize(stream) : error);
}

template <class Compute>
Status convert_and_copy(const void* stored, ElementType type, std::int64_t count, Compute* device,
                        cudaStream_t stream) {
  Compute values[piece];
  for (std::int64_t first = 0; first < count; first += piece) {
    const std::int64_t here = std::min(piece, count - first);
    for (std::int64_t i = 0; i < here; ++i) {
      write_element(values + i, stored_element(stored, type, first + i));
    }
    const Status status =
        copy(device + first, values, static_cast<std::size_t>(here) * sizeof(Compute), stream);
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

}  // namespace

Status upload_stored(const void* stored, ElementType type, std::int64_t count, ElementType compute,
                     void* device, Stream stream) {
  if (!is_stored_type(type)) return Status::unsupported_type;
  if (type == compute) {
    return copy(device, stored, static_cast<std::size_t>(count) * bytes_of(type),
                static_cast<cudaStream_t>(stream));
  }
  return with_type(compute, device, [&](auto* target) {
    return convert_and_copy(stored, type, count, target, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
