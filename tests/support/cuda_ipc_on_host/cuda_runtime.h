// A stand-in for CUDA's header: the names that lib/comm uses, with CUDA's meanings.
#pragma once

#include <cstddef>

// In a namespace, as other stand-ins have the same names.
namespace cuda_ipc_on_host {

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorInvalidContext = 201,
  cudaErrorMapBufferObjectFailed = 205,
  cudaErrorAlreadyMapped = 208,
  cudaErrorInvalidResourceHandle = 400
};
enum cudaMemcpyKind { cudaMemcpyDefault = 4 };
constexpr unsigned cudaIpcMemLazyEnablePeerAccess = 1;
using cudaStream_t = struct NoStream*;
struct cudaIpcMemHandle_t {
  char reserved[64];
};

const char* cudaGetErrorName(cudaError_t error);
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaMemcpyAsync(void* target, const void* source, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t);
cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t* handle, void* pointer);
cudaError_t cudaIpcOpenMemHandle(void** pointer, cudaIpcMemHandle_t handle, unsigned flags);
cudaError_t cudaIpcCloseMemHandle(void* pointer);

}  // namespace cuda_ipc_on_host

using namespace cuda_ipc_on_host;
