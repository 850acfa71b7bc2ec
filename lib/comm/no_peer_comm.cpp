// Stands in for peer copies in a build without CUDA.
#include "comm/device_comm.hpp"

namespace causeway {

std::unique_ptr<Communicator> make_peer_communicator(std::unique_ptr<Communicator>, Memory&) {
  fail(ExitCode::communication,
       "peer copies were asked for (parallel.exchange: peer), but this build has no CUDA; build "
       "Causeway with the CUDA toolkit, or use device: cpu");
}

}  // namespace causeway
