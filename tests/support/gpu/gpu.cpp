// The CUDA backend with a wait after every call, and memory for tests that host and GPU both reach.
#include "support/gpu/gpu.hpp"

#include <cuda_runtime.h>

#include <cstdlib>
#include <new>

#include "support/wrapped_kernels.hpp"

namespace causeway::testing {
namespace {

using kernels::Kernels;

/// One block of registered host memory that `new` takes from, front to back. It outlives CUDA.
struct Pool {
  static constexpr std::size_t bytes = std::size_t{1} << 30, alignment = 64;
  char* begin = nullptr;
  std::size_t used = 0, living = 0;
  bool on = false;

  bool holds(const void* pointer) const {
    return begin != nullptr && pointer >= begin && pointer < begin + bytes;
  }
  void* take(std::size_t size) {
    const std::size_t room = (size + alignment) / alignment * alignment;
    if (used + room > bytes) throw std::bad_alloc();
    void* taken = begin + used;
    used += room;
    ++living;
    return taken;
  }
};
Pool pool;

bool has_gpu() {
  int count = 0;
  // Kernels may have been built for other GPUs than this one; then none can be started.
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0 &&
         kernels::cuda_kernels(true)->measure_peak(ElementType::f32) > 0.0;
}

/// Every call has finished when it returns.
template <bool libraries>
struct Finishing {
  static const Kernels& inner() { return *kernels::cuda_kernels(!libraries); }
  // What a library keeps for itself must not lie in the memory of a test.
  static void before() { pool.on = false; }
  static kernels::Status after(kernels::Status status) {
    pool.on = true;
    return cudaDeviceSynchronize() == cudaSuccess ? status : kernels::Status::backend_failure;
  }
};

}  // namespace

const Kernels* gpu_kernels(bool libraries) {
  static const bool there = has_gpu();
  if (!there || (libraries && kernels::cuda_libraries_problem() != nullptr)) return nullptr;
  static const Kernels plain = WrappedKernels<Finishing<false>>::table();
  static const Kernels with_libraries = WrappedKernels<Finishing<true>>::table();
  return libraries ? &with_libraries : &plain;
}

void allocate_for_gpu(bool on) {
  if (on && pool.begin == nullptr) {
    void* memory = std::aligned_alloc(4096, Pool::bytes);
    if (memory == nullptr ||
        cudaHostRegister(memory, Pool::bytes, cudaHostRegisterMapped) != cudaSuccess) {
      throw std::bad_alloc();
    }
    pool.begin = static_cast<char*>(memory);
  }
  if (on && pool.living == 0) pool.used = 0;
  pool.on = on;
}

}  // namespace causeway::testing

// Replacing these is the standard's own way (C++20, [new.delete]).
void* operator new(std::size_t size) {
  auto& pool = causeway::testing::pool;
  if (pool.on) return pool.take(size);
  if (void* pointer = std::malloc(size == 0 ? 1 : size)) return pointer;
  throw std::bad_alloc();
}
void operator delete(void* pointer) noexcept {
  auto& pool = causeway::testing::pool;
  if (pool.holds(pointer)) {
    --pool.living;
  } else {
    std::free(pointer);
  }
}
void operator delete(void* pointer, std::size_t) noexcept { operator delete(pointer); }
