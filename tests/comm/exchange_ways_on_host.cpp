// The ways of exchanging over a device on the host: what wants a GPU runs on a stand-in.
#include "comm/device_comm.hpp"
#include "known_exchange.hpp"
#include "support/cuda_ipc_on_host/cuda_ipc_on_host.hpp"
#include "support/device_on_host/device_on_host.hpp"
#include "support/mpi_test_main.hpp"
#include "support/nccl_on_host/nccl_on_host.hpp"

namespace causeway::testing {

const char* const no_group = "fibres cannot be used in this build";

const std::vector<std::string>& exchange_ways() {
  static const std::vector<std::string> ways{"host", "nccl", "peer"};
  return ways;
}

std::unique_ptr<Communicator> group_by(const std::string& way) {
  if (device_on_host() == nullptr) return nullptr;
  if (way == "peer") return peers_on_host(process());
  Memory& memory = device_on_host()->memory();
  return way == "nccl" ? nccl_on_host(process(), memory)
                       : make_staged_communicator(process().split(0), memory);
}

}  // namespace causeway::testing
