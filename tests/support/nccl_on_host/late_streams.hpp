// Streams beside the main one whose work is done as late as events and questions allow.
#pragma once

#include <functional>

#include "support/nccl_on_host/cuda_runtime.h"

namespace causeway::testing {

/// What the streams shall do wrong: none can be made; no wait can be asked for; nothing on them
/// ever comes to its end.
enum class StreamFault { none, make_fails, wait_fails, hangs };
void set_stream_fault(StreamFault fault);

/// Work for a stream of these (not the main one, whose work is done at once by whoever asks for
/// it). `work` gets whether it is in order: the stream was told to wait for the main one since the
/// last work on any of them, without which the two might run the other way round on a device.
void ask_of_stream(cudaStream_t stream, std::function<void(bool in_order)> work);
/// The main stream has got work of the same kind.
void note_work_of_main_stream();
/// Does all that is left on any stream; false where the fault is to hang and something is left.
bool finish_streams();
/// Forgets it.
void abandon_streams();

/// Streams and events that have been made and not destroyed.
int streams_and_events();

}  // namespace causeway::testing
