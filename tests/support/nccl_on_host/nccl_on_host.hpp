// NCCL without GPUs: its calls carried out over a host communicator, late, as NCCL does.
#pragma once

#include <memory>

#include "comm/comm.hpp"

namespace causeway::testing {

/// What the stand-in shall do wrong.
enum class NcclFault { none, init_fails, never_joins, send_fails, exchange_fails, never_arrives };

/// A group of the ranks of `split(0)` whose exchanges go by the code for NCCL, over `memory`. The
/// fault is this rank's.
std::unique_ptr<Communicator> nccl_on_host(Process& process, Memory& memory,
                                           double patience_seconds = 60,
                                           NcclFault fault = NcclFault::none);

/// The fault from now on.
void set_nccl_fault(NcclFault fault);

/// Communicators of the stand-in that have been made and neither destroyed nor aborted.
int nccl_communicators();

}  // namespace causeway::testing
