// The CPU backend of a build without oneDNN (CAUSEWAY_CORE_ONLY): it makes no convolution.
#include "kernels/cpu_backend.hpp"

namespace causeway::kernels {

Conv* conv_create(const ConvSpec&, ConstView, ConstView) { return nullptr; }
void conv_destroy(Conv*) {}
Status conv_prepare(Conv*, std::int64_t, std::int64_t, std::int64_t, Stream) {
  return Status::backend_failure;
}
Status conv(Conv*, ConstView, View, Stream) { return Status::backend_failure; }
std::size_t conv_bytes(const Conv*) { return 0; }
bool conv_bf16_native() { return false; }
const char* onednn_version() { return ""; }

}  // namespace causeway::kernels
