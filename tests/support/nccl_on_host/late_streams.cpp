// Streams and events without a device: what main waits for is done then, and not before.
#include "support/nccl_on_host/late_streams.hpp"

#include <cstdint>
#include <deque>
#include <set>
#include <utility>

namespace cuda_streams_on_host {

struct LateStream {
  std::deque<std::function<void()>> left;
  std::int64_t asked = 0, done = 0;  // pieces of work
  std::int64_t followed = 0;         // when the main stream was as far as this one waits for
  int questions = 0;
};

struct LateEvent {
  bool recorded = false;
  LateStream* stream = nullptr;  // null: the main one
  std::int64_t asked = 0;        // of that stream, when it was recorded
  std::int64_t when = 0;
};

}  // namespace cuda_streams_on_host

namespace causeway::testing {
namespace {

StreamFault the_fault = StreamFault::none;
std::set<LateStream*> streams;
int events = 0;
std::int64_t now = 0;        // counts records and pieces of work
std::int64_t last_work = 0;  // when the last was asked of any stream

void do_until(LateStream& stream, std::int64_t piece) {
  if (the_fault == StreamFault::hangs) return;
  while (stream.done < piece) {
    const auto work = std::move(stream.left.front());
    stream.left.pop_front();
    ++stream.done;
    work();
  }
}

}  // namespace

void set_stream_fault(StreamFault fault) { the_fault = fault; }

void ask_of_stream(cudaStream_t stream, std::function<void(bool)> work) {
  const bool in_order = stream->followed > last_work;
  last_work = ++now;
  ++stream->asked;
  stream->left.push_back([work = std::move(work), in_order] { work(in_order); });
}
void note_work_of_main_stream() { last_work = ++now; }

bool finish_streams() {
  bool all_done = true;
  for (LateStream* const stream : streams) {
    do_until(*stream, stream->asked);
    all_done = all_done && stream->left.empty();
  }
  return all_done;
}
void abandon_streams() {
  for (LateStream* const stream : streams) {
    stream->left.clear();
    stream->done = stream->asked;
  }
}
int streams_and_events() { return static_cast<int>(streams.size()) + events; }

}  // namespace causeway::testing

namespace cuda_streams_on_host {

using namespace causeway::testing;

const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "another error";
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : "in the words of CUDA";
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;  // as on GPUs: the greater, the smaller the number
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  if (the_fault == StreamFault::make_fails) return cudaErrorMemoryAllocation;
  // One of the other kind waits for the legacy default stream, and that for it: nothing overlaps.
  if (flags != cudaStreamNonBlocking || priority != -5) return cudaErrorInvalidValue;
  *stream = *streams.insert(new LateStream).first;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  streams.erase(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (stream == nullptr) return cudaErrorInvalidValue;  // that is the memory's to know
  constexpr int questions_until_done = 3;
  if (stream->left.empty()) return cudaSuccess;
  if (++stream->questions % questions_until_done != 0) return cudaErrorNotReady;
  do_until(*stream, stream->asked);
  return stream->left.empty() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  if (the_fault == StreamFault::wait_fails || flags != 0) return cudaErrorInvalidValue;
  if (!event->recorded) return cudaSuccess;                   // CUDA waits for nothing then
  if (stream == event->stream) return cudaErrorInvalidValue;  // allowed, and of no use
  if (event->stream == nullptr) {
    stream->followed = event->when;
  } else if (stream == nullptr) {
    do_until(*event->stream, event->asked);
  } else {
    return cudaErrorInvalidValue;  // nobody lets two of them wait for each other
  }
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  if (flags != cudaEventDisableTiming) return cudaErrorInvalidValue;
  *event = new LateEvent;
  ++events;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  --events;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  *event = {true, stream, stream == nullptr ? 0 : stream->asked, ++now};
  return cudaSuccess;
}

}  // namespace cuda_streams_on_host
