// A stand-in for cuDNN's header: what the kernels ask of the library beside its graphs.
//
// Its functions are C++'s, not C's, so that a program may hold them beside the true ones.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

enum cudnnStatus_t {
  CUDNN_STATUS_SUCCESS = 0,
  CUDNN_STATUS_NOT_INITIALIZED = 1001,
  CUDNN_STATUS_BAD_PARAM = 2000
};
struct cudnnContext;
using cudnnHandle_t = cudnnContext*;

std::size_t cudnnGetVersion();
cudnnStatus_t cudnnCreate(cudnnHandle_t*);
cudnnStatus_t cudnnDestroy(cudnnHandle_t);
cudnnStatus_t cudnnSetStream(cudnnHandle_t, cudaStream_t);
