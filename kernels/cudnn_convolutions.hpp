// The convolutions of a table by cuDNN.
#pragma once

#include "kernels/kernels.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

/// Convolutions of `backend` are those of cuDNN from now on, where it has them.
void use_cudnn_convolutions(Kernels& backend);

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
