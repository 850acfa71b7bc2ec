// The CUDA backend with a wait after every call, and memory for tests that host and GPU both reach.
#include "support/gpu/gpu.hpp"

#include <cuda_runtime.h>

#include <cstdlib>
#include <new>

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
         kernels::cuda_kernels()->measure_peak(ElementType::f32) > 0.0;
}

template <auto member>
struct Finished;
template <class Result, class... Arguments, Result (*Kernels::*member)(Arguments...)>
struct Finished<member> {
  static Result call(Arguments... arguments) {
    const Kernels& cuda = *kernels::cuda_kernels();
    if constexpr (std::is_same_v<Result, kernels::Status>) {
      const kernels::Status status = (cuda.*member)(arguments...);
      return cudaDeviceSynchronize() == cudaSuccess ? status : kernels::Status::backend_failure;
    } else {
      return (cuda.*member)(arguments...);
    }
  }
};

Kernels finishing() {
  Kernels table = *kernels::cuda_kernels();
  table.linear_pack = Finished<&Kernels::linear_pack>::call;
  table.linear = Finished<&Kernels::linear>::call;
  table.linear_stored = Finished<&Kernels::linear_stored>::call;
  table.kv_clear = Finished<&Kernels::kv_clear>::call;
  table.kv_store = Finished<&Kernels::kv_store>::call;
  table.kv_load = Finished<&Kernels::kv_load>::call;
  table.attention = Finished<&Kernels::attention>::call;
  table.biased_attention = Finished<&Kernels::biased_attention>::call;
  table.layer_norm = Finished<&Kernels::layer_norm>::call;
  table.rms_norm = Finished<&Kernels::rms_norm>::call;
  table.norm_rope_pack = Finished<&Kernels::norm_rope_pack>::call;
  table.gamma_norm = Finished<&Kernels::gamma_norm>::call;
  table.add = Finished<&Kernels::add>::call;
  table.multiply = Finished<&Kernels::multiply>::call;
  table.convert = Finished<&Kernels::convert>::call;
  table.noise = Finished<&Kernels::noise>::call;
  table.flow_to_x0 = Finished<&Kernels::flow_to_x0>::call;
  table.renoise = Finished<&Kernels::renoise>::call;
  table.patchify = Finished<&Kernels::patchify>::call;
  table.unpatchify = Finished<&Kernels::unpatchify>::call;
  table.conv = Finished<&Kernels::conv>::call;
  table.upsample_nearest_2x = Finished<&Kernels::upsample_nearest_2x>::call;
  table.interleave_time = Finished<&Kernels::interleave_time>::call;
  table.to_channels_last = Finished<&Kernels::to_channels_last>::call;
  table.to_channels_first = Finished<&Kernels::to_channels_first>::call;
  table.frames_to_rgb8 = Finished<&Kernels::frames_to_rgb8>::call;
  table.rgb8_to_frames = Finished<&Kernels::rgb8_to_frames>::call;
  return table;
}

}  // namespace

const Kernels* gpu_kernels() {
  static const bool there = has_gpu();
  if (!there) return nullptr;
  static const Kernels table = finishing();
  return &table;
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
