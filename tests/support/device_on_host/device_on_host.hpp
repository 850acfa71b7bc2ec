// A device without a GPU: the CUDA kernels on the host, over memory that only they may touch.
#pragma once

#include <cstddef>
#include <optional>

#include "ops/ops.hpp"

namespace causeway::testing {

/// The verbs of such a device, or null where it cannot be (see cuda_on_host.hpp). Code that reads
/// or writes a tensor of it other than by a verb or a copy ends the process with a segmentation
/// fault, as with a GPU's memory.
const Ops* device_on_host();

/// The same device with stand-ins for NVIDIA's libraries (see cublaslt_on_host.hpp).
const Ops* device_with_libraries_on_host();

/// From now on its kernels fail and waiting for it throws, as after an illegal access on a GPU.
void lose_device_on_host(bool now);

/// From now on it has room for so many bytes more than it holds now; 0: as many as it ever had.
void limit_device_on_host(std::size_t more);

/// How often memory of it was allocated, and how often it was waited for other than by a copy.
struct DeviceCalls {
  int allocations = 0, waits = 0;
};
DeviceCalls calls_of_device_on_host();

/// Its peak becomes what it holds now.
void forget_peak_of_device_on_host();

/// Asks a copy of the device. Either end may be memory of this device or of another process's.
void copy_on_device_on_host(void* target, const void* source, std::size_t bytes);

/// When such copies are done: at once; or, as late as the order of a stream allows, when the next
/// kernel or other copy begins, when the device is waited for or when memory is released; or then
/// with a delay, while the host of another rank goes on.
enum class Pace { at_once, late, slow };
/// From now on; at first they are late.
void set_pace_of_device_on_host(Pace pace);

/// An allocation that has become shared memory.
struct SharedAllocation {
  int file = -1;  ///< descriptor of this process
  std::size_t offset = 0, bytes = 0;
  std::size_t openings_offset = 0;  ///< of an std::atomic<int>: how often others have it open
};

/// The allocation that starts there, for other processes; nothing where none does, or one
/// that is not in whole pages. To release it while others have any of this device open ends the
/// process.
std::optional<SharedAllocation> share_of_device_on_host(const void* pointer);

}  // namespace causeway::testing
