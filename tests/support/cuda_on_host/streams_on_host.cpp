// On which streams work is done where the CUDA backend runs on the host: a wrong one is noticed.
#include "support/cuda_on_host/streams_on_host.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace {

thread_local std::optional<HostStream*> the_one;
thread_local std::function<void()> within_next;
std::atomic<int> astray = 0, multiprocessor_count = 1;

std::atomic<std::size_t> most_memory = SIZE_MAX;

struct Allocation {
  std::size_t bytes;
  std::optional<HostStream*> stream;
};
std::mutex memory_lock;
std::map<const char*, Allocation>& memory() {
  // Not taken down: libraries give their memory back later, if ever.
  static auto& made = *new std::map<const char*, Allocation>;
  return made;
}

}  // namespace

namespace causeway::testing {

OneStream::OneStream(void* stream) { the_one = static_cast<HostStream*>(stream); }
OneStream::~OneStream() { the_one.reset(); }
int work_astray() { return astray; }

void set_multiprocessors_on_host(int count) { multiprocessor_count = count; }

MemoryIsShort::MemoryIsShort(std::size_t most) { most_memory = most; }
MemoryIsShort::~MemoryIsShort() { most_memory = SIZE_MAX; }

void call_within_next_library_call(std::function<void()> what) { within_next = std::move(what); }

}  // namespace causeway::testing

namespace cuda_on_host {

void note_work(HostStream* stream) {
  if (the_one && *the_one != stream) ++astray;
}

void note_memory(void* pointer, std::size_t bytes) {
  const std::lock_guard lock(memory_lock);
  memory()[static_cast<const char*>(pointer)] = {bytes, {}};
}

void forget_memory(void* pointer) {
  const std::lock_guard lock(memory_lock);
  memory().erase(static_cast<const char*>(pointer));
}

bool is_memory_of(const void* pointer, HostStream* stream) {
  const std::lock_guard lock(memory_lock);
  const auto* const at = static_cast<const char*>(pointer);
  auto after = memory().upper_bound(at);
  if (after == memory().begin()) return false;
  auto& [begin, allocation] = *--after;
  if (at >= begin + allocation.bytes) return false;
  if (!allocation.stream) allocation.stream = stream;
  return *allocation.stream == stream;
}

int multiprocessors() { return multiprocessor_count; }

bool has_memory(std::size_t bytes) { return bytes <= most_memory; }

void note_library_call() {
  if (const auto what = std::exchange(within_next, nullptr)) what();
}

}  // namespace cuda_on_host
