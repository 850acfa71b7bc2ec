// The ways of exchanging over GPUs, which ranks may share.
#include "comm/device_comm.hpp"
#include "known_exchange.hpp"
#include "support/mpi_test_main.hpp"
#include "tensor/cuda_memory.hpp"

namespace causeway::testing {

const char* const no_group = "this machine cannot run gpu";

const std::vector<std::string>& exchange_ways() {
  static const std::vector<std::string> ways{"host", "peer"};
  return ways;
}

std::unique_ptr<Communicator> group_by(const std::string& way) {
  Memory* memory = nullptr;
  try {
    memory = &cuda_memory(process().rank_on_node());
  } catch (const Error&) {
    return nullptr;
  }
  return way == "peer" ? make_peer_communicator(process().split(0), *memory)
                       : make_staged_communicator(process().split(0), *memory);
}

}  // namespace causeway::testing
