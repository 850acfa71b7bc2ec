// Stands in for cuDNN in a CUDA build without its headers: attention and convolutions stay plain.
#include "kernels/cuda_libraries.hpp"

namespace causeway::kernels {

const char* cudnn_problem() { return nullptr; }

namespace cuda {
void use_cudnn(Kernels&) {}
}  // namespace cuda

}  // namespace causeway::kernels
