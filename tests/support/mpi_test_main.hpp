// The process object of a test that runs under mpiexec.
#pragma once

#include "comm/comm.hpp"

namespace causeway::testing {

/// The one process of this test program; its world has as many ranks as mpiexec started.
Process& process();

}  // namespace causeway::testing
