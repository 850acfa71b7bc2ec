// NCCL's calls over a host communicator. Nothing happens when it is asked for, so that code which
// does not wait fails.
#include "support/nccl_on_host/nccl_on_host.hpp"

#include <cstring>
#include <vector>

#include "comm/device_comm.hpp"
#include "support/nccl_on_host/late_streams.hpp"
#include "support/nccl_on_host/nccl.h"
#include "tensor/tensor.hpp"

namespace causeway::testing {
namespace {

constexpr int looks_until_done = 3;
constexpr char poison = '\xff';  // as floating point: not a number

std::unique_ptr<Communicator> wire;
Memory* wire_memory = nullptr;
NcclFault the_fault = NcclFault::none;
int alive = 0;

}  // namespace

void set_nccl_fault(NcclFault fault) {
  the_fault = fault;
  set_stream_fault(fault == NcclFault::no_stream      ? StreamFault::make_fails
                   : fault == NcclFault::wait_fails   ? StreamFault::wait_fails
                   : fault == NcclFault::stream_hangs ? StreamFault::hangs
                                                      : StreamFault::none);
}
int left_by_nccl() { return alive + streams_and_events(); }

std::unique_ptr<Communicator> nccl_on_host(Process& process, Memory& memory,
                                           double patience_seconds, NcclFault fault) {
  wire = process.split(0);
  wire_memory = &memory;
  set_nccl_fault(fault);
  return make_nccl_communicator(process.split(0), memory, patience_seconds);
}

}  // namespace causeway::testing

using causeway::testing::NcclFault;
using causeway::testing::the_fault;
using causeway::testing::wire;

struct NcclOnHostComm {
  struct Part {
    const void* from;
    void* to;
    std::size_t bytes;
    int peer;
  };
  int looks_left = causeway::testing::looks_until_done;
  bool grouped = false, pending = false, finalizing = false;
  ncclResult_t state = ncclSuccess;
  cudaStream_t stream = nullptr;  // of the group
  std::vector<Part> parts;

  /// NCCL's thread has come to the group: it is in its turn on the stream.
  void hand_over() {
    if (stream == nullptr) {
      causeway::testing::note_work_of_main_stream();
      carry_out(parts, true);
    } else {
      causeway::testing::ask_of_stream(
          stream, [parts = parts](bool in_order) { carry_out(parts, in_order); });
      for (const Part& part : parts) {
        if (part.from == nullptr) overwrite(part.to, part.bytes);
      }
    }
    parts.clear();
  }

  static void overwrite(void* to, std::size_t bytes) {
    const std::vector<char> other(bytes, causeway::testing::poison);
    causeway::testing::wire_memory->copy_in(to, other.data(), bytes);
  }

  /// Out of order, what is sent might not have been written yet.
  static void carry_out(const std::vector<Part>& parts, bool in_order) {
    const auto ranks = static_cast<std::size_t>(wire->size());
    causeway::Exchange plan{std::vector<std::int64_t>(ranks), std::vector<std::int64_t>(ranks),
                            std::vector<std::int64_t>(ranks), std::vector<std::int64_t>(ranks)};
    std::vector<char> send, receive;
    std::size_t arriving = 0;
    for (const Part& part : parts) {
      const auto peer = static_cast<std::size_t>(part.peer);
      if (part.from != nullptr) {
        plan.send_bytes[peer] = static_cast<std::int64_t>(part.bytes);
        plan.send_offset[peer] = static_cast<std::int64_t>(send.size());
        send.resize(send.size() + part.bytes, causeway::testing::poison);
        if (!in_order) continue;
        causeway::testing::wire_memory->copy_out(send.data() + plan.send_offset[peer], part.from,
                                                 part.bytes);
      } else {
        plan.receive_bytes[peer] = static_cast<std::int64_t>(part.bytes);
        plan.receive_offset[peer] = static_cast<std::int64_t>(arriving);
        arriving += part.bytes;
      }
    }
    receive.resize(arriving);
    wire->exchange(plan, send.data(), receive.data());
    for (const Part& part : parts) {
      if (part.from != nullptr) continue;
      causeway::testing::wire_memory->copy_in(
          part.to, receive.data() + plan.receive_offset[static_cast<std::size_t>(part.peer)],
          part.bytes);
    }
  }
};

namespace {
NcclOnHostComm* current = nullptr;  // there is one at a time

ncclResult_t add(ncclComm_t comm, NcclOnHostComm::Part part, cudaStream_t stream) {
  if (!comm->grouped || comm->looks_left > 0) return ncclInvalidArgument;
  // NCCL takes several streams in a group and lets all wait for all; nobody here wants that.
  if (!comm->parts.empty() && comm->stream != stream) return ncclInvalidArgument;
  comm->stream = stream;
  comm->parts.push_back(part);
  return ncclSuccess;
}
}  // namespace

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memset(id->internal, 'x', sizeof id->internal);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (ranks != wire->size() || rank != wire->rank() || id.internal[127] != 'x' ||
      config->blocking != 0 || current != nullptr) {
    return ncclInvalidArgument;
  }
  if (the_fault == NcclFault::init_fails) return ncclSystemError;
  *comm = current = new NcclOnHostComm;
  ++causeway::testing::alive;
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  const bool stuck = the_fault == NcclFault::never_joins || (the_fault == NcclFault::never_arrives);
  if (comm->looks_left > 0 && !stuck && --comm->looks_left == 0 && comm->pending) {
    comm->pending = false;
    if (the_fault == NcclFault::exchange_fails) {
      comm->state = ncclRemoteError;
    } else {
      comm->hand_over();
    }
  }
  const bool left =
      comm->looks_left > 0 || (comm->finalizing && !causeway::testing::finish_streams());
  *state = left ? ncclInProgress : comm->state;
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  comm->finalizing = true;
  comm->looks_left = causeway::testing::looks_until_done;
  return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  if (comm->looks_left > 0) return ncclInvalidArgument;
  return ncclCommAbort(comm);
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  if (comm->grouped) return ncclInvalidArgument;
  causeway::testing::abandon_streams();
  delete comm;
  current = nullptr;
  --causeway::testing::alive;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclRemoteError ? "remote process exited or there was a network error"
                                   : "unhandled system error";
}
const char* ncclGetLastError(ncclComm_t) { return "no route to host"; }

ncclResult_t ncclGroupStart() {
  current->stream = nullptr;
  current->grouped = true;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  current->grouped = false;
  current->pending = true;
  current->looks_left = causeway::testing::looks_until_done;
  return ncclInProgress;
}

ncclResult_t ncclSend(const void* data, std::size_t count, ncclDataType_t, int peer,
                      ncclComm_t comm, cudaStream_t stream) {
  if (the_fault == NcclFault::send_fails) return ncclInvalidArgument;
  return add(comm, {data, nullptr, count, peer}, stream);
}

ncclResult_t ncclRecv(void* data, std::size_t count, ncclDataType_t, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return add(comm, {nullptr, data, count, peer}, stream);
}
