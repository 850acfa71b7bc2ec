// The memory of one GPU, by CUDA's runtime.
#include "tensor/cuda_memory.hpp"

#include <cuda_runtime.h>

#include <algorithm>
#include <atomic>

namespace causeway {
namespace {

void check(cudaError_t error, const char* what) {
  require(error == cudaSuccess, ExitCode::device, "CUDA: {} failed ({}: {})", what,
          cudaGetErrorName(error), cudaGetErrorString(error));
}

class CudaMemory final : public Memory {
 public:
  explicit CudaMemory(int rank_on_node) {
    int devices = 0;
    const cudaError_t error = cudaGetDeviceCount(&devices);
    require(error == cudaSuccess && devices > 0, ExitCode::device,
            "the CUDA backend was asked for (parallel.device: cuda), but this machine has no GPU "
            "that CUDA can use ({}); use device: cpu, or a node with a GPU and its driver",
            error == cudaSuccess ? "no device" : cudaGetErrorString(error));
    check(cudaSetDevice(rank_on_node % devices), "choosing a GPU");
  }
  void* allocate(std::size_t bytes) override {
    void* pointer = nullptr;
    const cudaError_t error = cudaMalloc(&pointer, std::max<std::size_t>(bytes, 1));
    if (error != cudaSuccess) refuse(bytes, error);
    in_use_ += bytes;
    peak_ = std::max(peak_.load(), in_use_.load());
    return pointer;
  }
  void release(void* pointer, std::size_t bytes) noexcept override {
    cudaDeviceSynchronize();  // kernels may still use it, and cudaFree need not wait for them
    cudaFree(pointer);
    in_use_ -= bytes;
  }
  void fill_zero(void* pointer, std::size_t bytes) override {
    check(cudaMemset(pointer, 0, bytes), "clearing memory");
  }
  bool is_host() const override { return false; }
  void copy_in(void* target, const void* host, std::size_t bytes) override {
    check(cudaMemcpy(target, host, bytes, cudaMemcpyHostToDevice), "a copy to the GPU");
  }
  void copy_out(void* host, const void* source, std::size_t bytes) override {
    // An error of a kernel before is seen here, too.
    check(cudaMemcpy(host, source, bytes, cudaMemcpyDeviceToHost), "a copy from the GPU");
  }
  void wait() override { check(cudaDeviceSynchronize(), "work on the GPU"); }
  bool idle() override {
    const cudaError_t state = cudaStreamQuery(nullptr);
    if (state != cudaErrorNotReady) check(state, "work on the GPU");
    return state == cudaSuccess;
  }
  std::size_t bytes_in_use() const override { return in_use_; }
  std::size_t peak_bytes() const override { return peak_; }

 private:
  [[noreturn]] void refuse(std::size_t bytes, cudaError_t error) const {
    std::size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) != cudaSuccess) free = total = 0;
    fail(ExitCode::device,
         "out of GPU memory: {} bytes could not be allocated on top of {} in use ({} of {} bytes "
         "of the GPU are free; {}); use a smaller video, a shorter window or more ranks per job "
         "group",
         bytes, in_use_.load(), free, total, cudaGetErrorString(error));
  }

  std::atomic<std::size_t> in_use_{0}, peak_{0};
};

}  // namespace

Memory& cuda_memory(int rank_on_node) {
  static CudaMemory memory(rank_on_node);
  return memory;
}

Gpu cuda_gpu() {
  int device = 0;
  check(cudaGetDevice(&device), "asking for the GPU in use");
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "asking what the GPU is");
  Gpu gpu{properties.name, "GPU-", ""};
  char pci[32] = "";
  check(cudaDeviceGetPCIBusId(pci, sizeof pci, device), "asking where the GPU is");
  gpu.pci = pci;
  check(cudaMemGetInfo(&gpu.free_bytes, &gpu.bytes), "asking for the GPU's memory");
  for (const char byte : properties.uuid.bytes)
    gpu.id += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return gpu;
}

}  // namespace causeway
