// Memory of the device that backends hold beside the tensors: weights of convolutions, workspaces.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>

namespace causeway::kernels::CAUSEWAY_DEVICE {

struct DeviceFree {
  void operator()(void* pointer) const {
    cudaDeviceSynchronize();  // kernels may still use it, and cudaFree need not wait for them
    cudaFree(pointer);
  }
};
using DeviceMemory = std::unique_ptr<void, DeviceFree>;

/// Null where there is none left.
inline DeviceMemory allocate_on_device(std::size_t bytes) {
  void* pointer = nullptr;
  if (cudaMalloc(&pointer, bytes) == cudaSuccess) return DeviceMemory(pointer);
  cudaGetLastError();  // else a later call would report it as its own
  return nullptr;
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
