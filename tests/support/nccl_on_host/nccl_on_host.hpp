// NCCL without GPUs: its calls carried out over a host communicator, late, as NCCL does.
//
// What is asked of the main stream is done when the state has been looked at a few times. What is
// asked of another stream is done as late as can be: when the main stream waits for it, when that
// stream has been asked a few times whether it is done, or at the communicator's end. Until then
// what shall arrive there is overwritten, and what is sent is read then. Where that stream was not
// told to wait for the main one before, it sends what nobody has written.
#pragma once

#include <memory>

#include "comm/comm.hpp"

namespace causeway::testing {

/// What the stand-in shall do wrong: of NCCL, or of the stream on which exchanges run beside other
/// work (none can be made; none can be told to wait; nothing on it comes to its end).
enum class NcclFault {
  none,
  init_fails,
  never_joins,
  send_fails,
  exchange_fails,
  never_arrives,
  no_stream,
  wait_fails,
  stream_hangs
};

/// A group of the ranks of `split(0)` whose exchanges go by the code for NCCL, over `memory`. The
/// fault is this rank's.
std::unique_ptr<Communicator> nccl_on_host(Process& process, Memory& memory,
                                           double patience_seconds = 60,
                                           NcclFault fault = NcclFault::none);

/// The fault from now on.
void set_nccl_fault(NcclFault fault);

/// Communicators, streams and events of the stand-in that are left: neither destroyed nor aborted.
int left_by_nccl();

}  // namespace causeway::testing
