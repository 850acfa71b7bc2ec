// CUDA's calls over shared memory of the host. What CUDA does not define is refused, and copies are
// early or as late as the order of a stream allows, so that code which does not wait fails.
#include "support/cuda_ipc_on_host/cuda_ipc_on_host.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <map>

#include "comm/device_comm.hpp"
#include "support/cuda_ipc_on_host/cuda_runtime.h"
#include "support/device_on_host/device_on_host.hpp"

namespace causeway::testing {
namespace {

IpcFault the_fault = IpcFault::none;

/// What a handle says, in its 64 bytes.
struct Name {
  pid_t process;
  SharedAllocation allocation;
};
static_assert(sizeof(Name) <= sizeof(cudaIpcMemHandle_t));

/// An allocation of another process, mapped into this one from its first page on.
struct Mapping {
  pid_t process;
  std::size_t offset;
  void* begin;
  std::size_t length;
  std::atomic<int>* openings;
};
std::map<void*, Mapping> mappings;  // by the address that the opener got
constexpr std::size_t page = 4096;

void* map(int file, std::size_t offset, std::size_t length) {
  return mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, file,
              static_cast<off_t>(offset));
}

}  // namespace

std::unique_ptr<Communicator> peers_on_host(Process& process, IpcFault fault) {
  the_fault = fault;
  return make_peer_communicator(process.split(0), device_on_host()->memory());
}
void set_ipc_fault(IpcFault fault) { the_fault = fault; }
int opened_windows() { return static_cast<int>(mappings.size()); }

}  // namespace causeway::testing

namespace cuda_ipc_on_host {

using namespace causeway::testing;

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaErrorMapBufferObjectFailed:
      return "cudaErrorMapBufferObjectFailed";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    default:
      return "another error";
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMapBufferObjectFailed ? "mapping of buffer object failed"
                                                 : "in the words of CUDA";
}

cudaError_t cudaMemcpyAsync(void* target, const void* source, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t) {
  if (the_fault == IpcFault::copy_fails) return cudaErrorInvalidValue;
  copy_on_device_on_host(target, source, bytes);
  return cudaSuccess;
}

cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t* handle, void* pointer) {
  if (the_fault == IpcFault::share_fails) return cudaErrorInvalidResourceHandle;
  const auto allocation = share_of_device_on_host(pointer);
  if (!allocation) return cudaErrorInvalidValue;  // not where an allocation starts
  const Name name{getpid(), *allocation};
  std::memcpy(handle, &name, sizeof name);
  return cudaSuccess;
}

cudaError_t cudaIpcOpenMemHandle(void** pointer, cudaIpcMemHandle_t handle, unsigned flags) {
  if (the_fault == IpcFault::open_fails) return cudaErrorMapBufferObjectFailed;
  Name name;
  std::memcpy(static_cast<void*>(&name), &handle, sizeof name);
  const SharedAllocation& allocation = name.allocation;
  if (flags != cudaIpcMemLazyEnablePeerAccess) return cudaErrorInvalidValue;
  if (name.process == getpid()) return cudaErrorInvalidContext;
  for (const auto& [address, mapping] : mappings) {
    if (mapping.process == name.process && mapping.offset == allocation.offset)
      return cudaErrorAlreadyMapped;
  }
  const auto path =
      "/proc/" + std::to_string(name.process) + "/fd/" + std::to_string(allocation.file);
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return cudaErrorInvalidResourceHandle;
  const std::size_t inside = allocation.offset % page, length = inside + allocation.bytes;
  void* const begin = map(file, allocation.offset - inside, length);
  void* const openings = map(file, allocation.openings_offset, page);
  ::close(file);
  if (begin == MAP_FAILED || openings == MAP_FAILED) return cudaErrorMapBufferObjectFailed;
  *pointer = static_cast<char*>(begin) + inside;
  auto* const count = static_cast<std::atomic<int>*>(openings);
  ++*count;
  mappings[*pointer] = {name.process, allocation.offset, begin, length, count};
  return cudaSuccess;
}

cudaError_t cudaIpcCloseMemHandle(void* pointer) {
  const auto found = mappings.find(pointer);
  if (found == mappings.end()) return cudaErrorInvalidResourceHandle;
  --*found->second.openings;
  munmap(found->second.openings, page);
  munmap(found->second.begin, found->second.length);
  mappings.erase(found);
  return cudaSuccess;
}

}  // namespace cuda_ipc_on_host
