// The memory of one GPU, by CUDA's runtime.
#include "tensor/cuda_memory.hpp"

#include <cuda_runtime.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

namespace causeway {
namespace {

void check(cudaError_t error, const char* what) {
  require(error == cudaSuccess, ExitCode::device, "CUDA: {} failed ({}: {})", what,
          cudaGetErrorName(error), cudaGetErrorString(error));
}

/// What all queues of a device have in common.
struct Use {
  int device = 0;
  std::atomic<std::size_t> bytes{0}, peak{0};
};

class CudaMemory final : public Memory {
 public:
  /// With the device's first queue: the stream for which those of libraries wait that ask for none.
  explicit CudaMemory(int rank_on_node) {
    int devices = 0;
    const cudaError_t error = cudaGetDeviceCount(&devices);
    require(error == cudaSuccess && devices > 0, ExitCode::device,
            "the CUDA backend was asked for (parallel.device: cuda), but this machine has no GPU "
            "that CUDA can use ({}); use device: cpu, or a node with a GPU and its driver",
            error == cudaSuccess ? "no device" : cudaGetErrorString(error));
    use_->device = rank_on_node % devices;
    // Threads that wait sleep: another one may have work for this core.
    check(cudaInitDevice(use_->device, cudaDeviceScheduleBlockingSync, cudaInitDeviceFlagsAreValid),
          "opening a GPU");
    enter_thread();
  }
  /// With a queue beside that one, which has the least priority.
  CudaMemory(std::shared_ptr<Use> use, bool first) : use_(std::move(use)) {
    int least = 0, greatest = 0;  // the greater, the less
    check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "asking for priorities");
    // The very first place is that of exchanges (SideStream).
    const int priority = first ? std::min(least, greatest + 1) : least;
    check(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, priority),
          "opening a second queue");
  }
  ~CudaMemory() override {
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }
  CudaMemory(const CudaMemory&) = delete;
  CudaMemory& operator=(const CudaMemory&) = delete;

  void* stream() const override { return stream_; }
  std::unique_ptr<Memory> beside(bool first) override {
    return std::make_unique<CudaMemory>(use_, first);
  }
  void enter_thread() override { check(cudaSetDevice(use_->device), "choosing a GPU"); }
  void* allocate(std::size_t bytes) override {
    void* pointer = nullptr;
    const cudaError_t error = cudaMalloc(&pointer, std::max<std::size_t>(bytes, 1));
    if (error != cudaSuccess) refuse(bytes, error);
    const std::size_t now = use_->bytes += bytes;
    std::size_t peak = use_->peak;
    while (now > peak && !use_->peak.compare_exchange_weak(peak, now)) {
    }
    return pointer;
  }
  void release(void* pointer, std::size_t bytes) noexcept override {
    cudaDeviceSynchronize();  // kernels may still use it, and cudaFree need not wait for them
    cudaFree(pointer);
    use_->bytes -= bytes;
  }
  void fill_zero(void* pointer, std::size_t bytes) override {
    check(cudaMemsetAsync(pointer, 0, bytes, stream_), "clearing memory");
  }
  bool is_host() const override { return false; }
  void copy_in(void* target, const void* host, std::size_t bytes) override {
    copy(target, host, bytes, cudaMemcpyHostToDevice, "a copy to the GPU");
  }
  void copy_out(void* host, const void* source, std::size_t bytes) override {
    // An error of a kernel before is seen here, too.
    copy(host, source, bytes, cudaMemcpyDeviceToHost, "a copy from the GPU");
  }
  void wait() override { check(cudaStreamSynchronize(stream_), "work on the GPU"); }
  bool idle() override {
    const cudaError_t state = cudaStreamQuery(stream_);
    if (state != cudaErrorNotReady) check(state, "work on the GPU");
    return state == cudaSuccess;
  }
  std::size_t bytes_in_use() const override { return use_->bytes; }
  std::size_t peak_bytes() const override { return use_->peak; }

 private:
  /// In its turn, and done on return. The work before is waited for first: a copy of pageable
  /// memory that itself waits for kernels may hold up what other threads ask for.
  void copy(void* target, const void* source, std::size_t bytes, cudaMemcpyKind kind,
            const char* what) const {
    check(cudaStreamSynchronize(stream_), what);
    check(cudaMemcpyAsync(target, source, bytes, kind, stream_), what);
    check(cudaStreamSynchronize(stream_), what);
  }
  [[noreturn]] void refuse(std::size_t bytes, cudaError_t error) const {
    std::size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) != cudaSuccess) free = total = 0;
    fail(ExitCode::device,
         "out of GPU memory: {} bytes could not be allocated on top of {} in use ({} of {} bytes "
         "of the GPU are free; {}); use a smaller video, a shorter window or more ranks per job "
         "group",
         bytes, use_->bytes.load(), free, total, cudaGetErrorString(error));
  }

  std::shared_ptr<Use> use_ = std::make_shared<Use>();
  cudaStream_t stream_ = nullptr;
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
