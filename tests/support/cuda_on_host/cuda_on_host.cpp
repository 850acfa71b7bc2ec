// Threads of a CUDA block as fibres of the host, and the few calls of CUDA's runtime that kernels
// make.
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <vector>

#include "cuda_runtime.h"

namespace cuda_on_host {
namespace {

constexpr std::size_t stack_bytes = 64 * 1024;
constexpr unsigned warp_lanes = 32;

enum class State { ready, at_block_barrier, at_warp_exchange, done };

/// Started by its context once; after that it changes by jumps, which need no call of the system.
struct Fibre {
  ucontext_t context;
  jmp_buf place;
  bool started = false;
  std::unique_ptr<std::byte[]> stack;
  dim3 index;
  State state = State::done;
  std::uint32_t given = 0, taken = 0;
  unsigned source = 0;
};

/// The block that runs now. One for the process: kernels run one after the other.
struct Block {
  std::vector<std::unique_ptr<Fibre>> fibres;
  unsigned threads = 0;
  Fibre* running = nullptr;
  jmp_buf scheduler;
  const std::function<void()>* body = nullptr;
  std::mt19937 order{20261121};
};
Block the_block;
std::mutex one_grid_at_a_time;

std::int64_t grids = 0;          ///< that have been run
std::int64_t checked_bytes = 0;  ///< of vectors
// Of each thread, as each has its streams for itself.
thread_local double passed = 0;  ///< milliseconds, beside the true ones
/// Whether it has waited for its kernels since the last one was started.
thread_local bool waited = true;

void leave(State state) {
  Fibre& fibre = *the_block.running;
  fibre.state = state;
  if (_setjmp(fibre.place) == 0) _longjmp(the_block.scheduler, 1);
}

/// A fibre serves one thread after another.
void enter() {
  while (true) {
    (*the_block.body)();
    leave(State::done);
  }
}

/// Returns when the fibre leaves or is done.
[[gnu::noinline]] void resume(Fibre& fibre) {
  the_block.running = &fibre;
  threadIdx = fibre.index;
  if (_setjmp(the_block.scheduler) != 0) return;
  if (fibre.started) _longjmp(fibre.place, 1);
  fibre.started = true;
  setcontext(&fibre.context);
}

std::unique_ptr<Fibre> make_fibre() {
  auto fibre = std::make_unique<Fibre>();
  fibre->stack = std::make_unique<std::byte[]>(stack_bytes);
  getcontext(&fibre->context);
  fibre->context.uc_stack.ss_sp = fibre->stack.get();
  fibre->context.uc_stack.ss_size = stack_bytes;
  fibre->context.uc_link = nullptr;
  makecontext(&fibre->context, enter, 0);
  return fibre;
}

/// Lets go on whoever waits for nobody any more; false if nobody may.
bool release() {
  Block& block = the_block;
  bool any = false;
  // A thread that has returned is not waited for.
  bool all_at_barrier = true;
  for (unsigned t = 0; t < block.threads; ++t) {
    const State state = block.fibres[t]->state;
    all_at_barrier = all_at_barrier && (state == State::at_block_barrier || state == State::done);
  }
  for (unsigned first = 0; first < block.threads; first += warp_lanes) {
    const unsigned end = std::min(first + warp_lanes, block.threads);
    const auto all_in = [&](State wanted) {
      for (unsigned t = first; t < end; ++t) {
        if (block.fibres[t]->state != wanted) return false;
      }
      return true;
    };
    // The mask of an exchange names all lanes, so all of them have to come.
    if (end - first == warp_lanes && all_in(State::at_warp_exchange)) {
      for (unsigned t = first; t < end; ++t) {
        block.fibres[t]->taken = block.fibres[first + block.fibres[t]->source]->given;
      }
      for (unsigned t = first; t < end; ++t) block.fibres[t]->state = State::ready;
      any = true;
    }
  }
  if (all_at_barrier) {
    for (unsigned t = 0; t < block.threads; ++t) {
      if (block.fibres[t]->state == State::at_block_barrier) {
        block.fibres[t]->state = State::ready;
        any = true;
      }
    }
  }
  return any;
}

void run_block(dim3 shape) {
  Block& block = the_block;
  block.threads = shape.x * shape.y * shape.z;
  while (block.fibres.size() < block.threads) block.fibres.push_back(make_fibre());
  for (unsigned t = 0; t < block.threads; ++t) {
    block.fibres[t]->index = dim3(t % shape.x, t / shape.x % shape.y, t / (shape.x * shape.y));
    block.fibres[t]->state = State::ready;
  }
  std::vector<unsigned> turn(block.threads);
  std::iota(turn.begin(), turn.end(), 0u);
  std::shuffle(turn.begin(), turn.end(), block.order);
  while (true) {
    bool all_done = true;
    for (const unsigned t : turn) {
      Fibre& fibre = *block.fibres[t];
      if (fibre.state == State::ready) resume(fibre);
      all_done = all_done && fibre.state == State::done;
    }
    if (all_done) return;
    if (!release()) {
      std::fprintf(stderr, "block (%u, %u, %u): its threads wait at different places for ever\n",
                   blockIdx.x, blockIdx.y, blockIdx.z);
      std::abort();
    }
  }
}

}  // namespace

void run_grid(dim3 grid, dim3 block, const std::function<void()>& thread) {
  const std::lock_guard lock(one_grid_at_a_time);
  waited = false;
  ++grids;
  the_block.body = &thread;
  gridDim = grid;
  blockDim = block;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = dim3(x, y, z);
        run_block(block);
      }
    }
  }
}

std::int64_t launches() { return grids; }
std::int64_t vector_bytes() { return checked_bytes; }

void pass_time(double milliseconds) { passed += milliseconds; }

void block_barrier() { leave(State::at_block_barrier); }

std::uint32_t exchange_in_warp(std::uint32_t mine, unsigned source) {
  Fibre& fibre = *the_block.running;
  fibre.given = mine;
  fibre.source = source;
  leave(State::at_warp_exchange);
  return fibre.taken;
}

void check_vector(const void* at, std::size_t bytes) {
  checked_bytes += static_cast<std::int64_t>(bytes);
  if (reinterpret_cast<std::uintptr_t>(at) % bytes == 0) return;
  std::fprintf(stderr, "a vector of %zu bytes lies at %p\n", bytes, at);
  std::abort();
}

}  // namespace cuda_on_host

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  *pointer = cuda_on_host::has_memory(bytes) ? std::malloc(bytes) : nullptr;
  if (*pointer == nullptr) return cudaErrorMemoryAllocation;
  cuda_on_host::note_memory(*pointer, bytes);
  return cudaSuccess;
}
cudaError_t cudaFree(void* pointer) {
  // CUDA may wait here for kernels that still use the memory, but does not promise to.
  if (!cuda_on_host::waited) {
    std::fprintf(stderr, "cudaFree, and nobody has waited for the kernels before\n");
    std::abort();
  }
  cuda_on_host::forget_memory(pointer);
  std::free(pointer);
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* target, const void* source, std::size_t bytes, cudaMemcpyKind kind) {
  return cudaMemcpyAsync(target, source, bytes, kind, nullptr);
}
cudaError_t cudaMemcpyAsync(void* target, const void* source, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  cuda_on_host::note_work(stream);
  std::memcpy(target, source, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* target, int value, std::size_t bytes, cudaStream_t stream) {
  cuda_on_host::note_work(stream);
  std::memset(target, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  cuda_on_host::note_work(stream);
  return cudaDeviceSynchronize();
}
cudaError_t cudaDeviceSynchronize() {
  cuda_on_host::waited = true;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  std::strcpy(properties->name, "the host");
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr what, int) {
  *value = what == cudaDevAttrMultiProcessorCount ? cuda_on_host::multiprocessors() : 1;
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = new double(0.0);
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  cuda_on_host::note_work(stream);
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  *event = std::chrono::duration<double, std::milli>(now).count() + cuda_on_host::passed;
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaDeviceSynchronize(); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  *milliseconds = static_cast<float>(*end - *begin);
  return cudaSuccess;
}
