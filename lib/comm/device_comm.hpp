// Job groups whose exchanges move the memory of a device.
#pragma once

#include <memory>

#include "comm/comm.hpp"

namespace causeway {

/// What those below share: all but `exchange` goes by the communicator that they are made from.
class DeviceCommunicator : public Communicator {
 public:
  DeviceCommunicator(std::unique_ptr<Communicator> host, Memory& memory)
      : host_(std::move(host)), memory_(&memory) {}
  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  Memory& memory() const override { return *memory_; }
  using Communicator::broadcast;
  using Communicator::gather;
  void broadcast(void* data, std::size_t bytes, int root) override {
    host_->broadcast(data, bytes, root);
  }
  void gather(const void* send, void* receive, const std::vector<std::int64_t>& bytes_of_rank,
              int root) override {
    host_->gather(send, receive, bytes_of_rank, root);
  }
  void barrier() override { host_->barrier(); }
  std::int64_t max(std::int64_t value) override { return host_->max(value); }

 protected:
  Communicator& host() { return *host_; }
  /// What the first rank with a problem says ("rank 2: …"), at all ranks; empty where none has one;
  /// collective.
  std::string first_problem(const std::string& own);

 private:
  std::unique_ptr<Communicator> host_;
  Memory* memory_;
};

/// Exchanges by way of the host's memory: the form that needs nothing of the devices.
std::unique_ptr<Communicator> make_staged_communicator(std::unique_ptr<Communicator> host,
                                                       Memory& memory);

/// Whether this build has NCCL.
bool have_nccl();

/// Exchanges by NCCL, from GPU to GPU; every rank needs a GPU of its own. Collective: all ranks of
/// `host` succeed, or all throw Error(communication). A rank whose device is not done with sixteen
/// exchanges and the work between them for `patience_seconds` gives up and throws, too; exchanges
/// begun beside count as one up to their join().
std::unique_ptr<Communicator> make_nccl_communicator(std::unique_ptr<Communicator> host,
                                                     Memory& memory, double patience_seconds);

/// Exchanges by copies out of each other's device memory, between ranks of one machine, which may
/// share a GPU. `memory` gives whole allocations of CUDA. Collective: all ranks of `host` succeed,
/// or all throw Error(communication), or Error(device) where one has no memory. So does an exchange
/// that a rank cannot take part in.
std::unique_ptr<Communicator> make_peer_communicator(std::unique_ptr<Communicator> host,
                                                     Memory& memory);

}  // namespace causeway
