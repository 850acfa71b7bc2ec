// CUDA's sharing of memory between processes without GPUs: over the memory of a device on the host.
#pragma once

#include <memory>

#include "comm/comm.hpp"

namespace causeway::testing {

/// What the stand-in shall do wrong.
enum class IpcFault { none, share_fails, open_fails, copy_fails };

/// A group of the ranks of `split(0)` whose exchanges go by the code for peer copies, over the
/// memory of device_on_host(). The fault is this rank's.
std::unique_ptr<Communicator> peers_on_host(Process& process, IpcFault fault = IpcFault::none);

/// The fault from now on.
void set_ipc_fault(IpcFault fault);

/// Windows of other processes that this one has open.
int opened_windows();

}  // namespace causeway::testing
