// The bias of the last key as a library's attention takes it, on the GPU.
#include "kernels/cuda_libraries.hpp"
#include "kernels/launch_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

struct LastKeyBias {
  float* bias;
  std::int64_t last_key;
  float value;
  __device__ void operator()(std::int64_t key) const { bias[key] = key == last_key ? value : 0.0f; }
};

}  // namespace

Status fill_last_key_bias(float* bias, std::int64_t keys, float last, Stream stream) {
  return for_each_element(keys, stream, LastKeyBias{bias, keys - 1, last});
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
