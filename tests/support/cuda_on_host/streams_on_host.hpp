// On which streams work is done where the CUDA backend runs on the host: a wrong one is noticed.
#pragma once

#include <cstddef>
#include <functional>

struct HostStream;

namespace causeway::testing {

/// While one exists, all work that its thread gives to CUDA must name this stream; what names
/// another counts as astray.
class OneStream {
 public:
  explicit OneStream(void* stream);
  ~OneStream();
  OneStream(const OneStream&) = delete;
  OneStream& operator=(const OneStream&) = delete;
};
int work_astray();  ///< since the program began, of all threads

/// Multiprocessors that the host's CUDA says it has: 1, unless this was called before anybody
/// asked.
void set_multiprocessors_on_host(int count);

/// While one exists, the host's CUDA has no memory in pieces of more bytes than these.
class MemoryIsShort {
 public:
  explicit MemoryIsShort(std::size_t most);
  ~MemoryIsShort();
  MemoryIsShort(const MemoryIsShort&) = delete;
  MemoryIsShort& operator=(const MemoryIsShort&) = delete;
};

/// Calls `what` once, while the next product, convolution or attention of this thread is inside the
/// stand-in for its library.
void call_within_next_library_call(std::function<void()> what);

}  // namespace causeway::testing

namespace cuda_on_host {

/// This thread gives work to a stream.
void note_work(HostStream* stream);

/// Memory of the device comes and goes; once a library worked in it, it is its stream's.
void note_memory(void* pointer, std::size_t bytes);
void forget_memory(void* pointer);
/// Whether no other stream has worked in the memory around `pointer`; it is this one's from now on.
bool is_memory_of(const void* pointer, HostStream* stream);

int multiprocessors();
bool has_memory(std::size_t bytes);

/// A stand-in for a library is at work.
void note_library_call();

}  // namespace cuda_on_host
