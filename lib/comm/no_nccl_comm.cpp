// Stands in for NCCL where this build has none.
#include "comm/device_comm.hpp"

namespace causeway {

bool have_nccl() { return false; }

std::unique_ptr<Communicator> make_nccl_communicator(std::unique_ptr<Communicator>, Memory&,
                                                     double) {
  fail(ExitCode::communication,
       "NCCL was asked for (parallel.exchange: nccl), but this build has none; build Causeway with "
       "the CUDA toolkit and NCCL's header and library, or use exchange: host");
}

}  // namespace causeway
