// Stands in for CUDA's header, so that kernels are compiled as C++ and run on the host in tests.
//
// One block runs at a time, each of its threads as a fibre; fibres change at barriers and shuffles,
// in an order that differs from block to block. Answers, indices, tails and barriers are tested so
// on machines without a GPU. What is not: races within a warp, memory order, speed.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>

#include "support/cuda_on_host/streams_on_host.hpp"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

inline dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace cuda_on_host {

/// Runs `thread` once for every thread of every block. Ends the process where threads of a block
/// wait for each other for ever. Threads of the host take turns.
void run_grid(dim3 grid, dim3 block, const std::function<void()>& thread);

/// How many grids have been run, and what their threads have read and written as vectors.
std::int64_t launches();
std::int64_t vector_bytes();

/// The clock of this thread's events goes on by so much at once, as if a kernel had taken it.
void pass_time(double milliseconds);

void block_barrier();
/// Every lane of the warp gives four bytes and gets those of lane `source`.
std::uint32_t exchange_in_warp(std::uint32_t mine, unsigned source);

/// Ends the process where a vector lies at an address that its size does not divide, which a GPU
/// does not read or write.
void check_vector(const void* at, std::size_t bytes);

}  // namespace cuda_on_host

/// CUDA's vectors, which kernels see in memory of other types; no more of them than kernels use.
struct alignas(16) [[gnu::may_alias]] float4 {
  float x, y, z, w;
  float4(float x_, float y_, float z_, float w_) : x(x_), y(y_), z(z_), w(w_) {}
  float4(const float4& from) {
    cuda_on_host::check_vector(&from, sizeof from);
    std::memcpy(this, &from, sizeof from);
  }
  float4& operator=(const float4& from) {
    cuda_on_host::check_vector(this, sizeof from);
    std::memcpy(this, &from, sizeof from);
    return *this;
  }
};
struct alignas(8) [[gnu::may_alias]] uint2 {
  unsigned x, y;
  uint2(unsigned x_, unsigned y_) : x(x_), y(y_) {}
  uint2(const uint2& from) {
    cuda_on_host::check_vector(&from, sizeof from);
    std::memcpy(this, &from, sizeof from);
  }
  uint2& operator=(const uint2& from) {
    cuda_on_host::check_vector(this, sizeof from);
    std::memcpy(this, &from, sizeof from);
    return *this;
  }
};
struct alignas(16) [[gnu::may_alias]] uint4 {
  unsigned x, y, z, w;
  uint4(unsigned x_, unsigned y_, unsigned z_, unsigned w_) : x(x_), y(y_), z(z_), w(w_) {}
  uint4(const uint4& from) {
    cuda_on_host::check_vector(&from, sizeof from);
    std::memcpy(this, &from, sizeof from);
  }
  uint4& operator=(const uint4& from) {
    cuda_on_host::check_vector(this, sizeof from);
    std::memcpy(this, &from, sizeof from);
    return *this;
  }
};
struct alignas(2) [[gnu::may_alias]] uchar2 {
  unsigned char x, y;
  uchar2(unsigned char x_, unsigned char y_) : x(x_), y(y_) {}
  uchar2(const uchar2&) = default;
  uchar2& operator=(const uchar2& from) {
    cuda_on_host::check_vector(this, sizeof from);
    std::memcpy(this, &from, sizeof from);
    return *this;
  }
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uchar2 make_uchar2(unsigned char x, unsigned char y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline void __stwb(float4* to, const float4& value) { *to = value; }
inline void __stwb(uint2* to, const uint2& value) { *to = value; }
inline void __stwb(uint4* to, const uint4& value) { *to = value; }
inline void __stwb(uchar2* to, const uchar2& value) { *to = value; }

inline void __syncthreads() { cuda_on_host::block_barrier(); }

template <class T>
T __shfl_xor_sync(unsigned, T value, int distance) {
  static_assert(sizeof(T) == 4 && std::is_trivially_copyable_v<T>);
  std::uint32_t word;
  std::memcpy(&word, &value, sizeof word);
  const unsigned lane = threadIdx.x % 32;
  word = cuda_on_host::exchange_in_warp(word, lane ^ static_cast<unsigned>(distance));
  std::memcpy(&value, &word, sizeof word);
  return value;
}

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2 };
enum cudaMemcpyKind { cudaMemcpyDefault = 4 };
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76
};
struct cudaDeviceProp {
  char name[256];
};
using cudaStream_t = struct HostStream*;
using cudaEvent_t = double*;

cudaError_t cudaMalloc(void** pointer, std::size_t bytes);
cudaError_t cudaFree(void* pointer);
cudaError_t cudaMemcpy(void* target, const void* source, std::size_t bytes, cudaMemcpyKind);
cudaError_t cudaMemcpyAsync(void* target, const void* source, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t);
cudaError_t cudaMemsetAsync(void* target, int value, std::size_t bytes, cudaStream_t);
cudaError_t cudaStreamSynchronize(cudaStream_t);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaGetLastError();
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp*, int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int device);
cudaError_t cudaEventCreate(cudaEvent_t*);
cudaError_t cudaEventDestroy(cudaEvent_t);
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t = nullptr);
cudaError_t cudaEventSynchronize(cudaEvent_t);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end);

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  void* attrs = nullptr;
  unsigned numAttrs = 0;
};

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  // The limits of every GPU that Causeway runs on.
  const dim3 &grid = config->gridDim, &block = config->blockDim;
  if (grid.x == 0 || grid.x > 0x7fffffffu || grid.y == 0 || grid.y > 65535 || grid.z == 0 ||
      grid.z > 65535 || block.x == 0 || block.x * block.y * block.z > 1024) {
    return cudaErrorInvalidValue;
  }
  cuda_on_host::note_work(config->stream);
  cuda_on_host::run_grid(grid, block, [&] { kernel(arguments...); });
  return cudaSuccess;
}
