// Attention by cuDNN, and the table in which it and convolutions are cuDNN's.
//
// Left to the plain kernel: f32; a result of another type than the queries; heads whose size is no
// multiple of 8; rows that do not begin at multiples of 16 bytes; and what the library has no plan
// for on this GPU.
#include "kernels/cuda_backend.hpp"
#include "kernels/cuda_libraries.hpp"
#include "kernels/cudnn_convolutions.hpp"
#include "kernels/cudnn_library.hpp"
#include "kernels/kv_layout_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

Status attention_by_library(const AttentionArgs& args, Stream stream) {
  const auto shape = cudnn_shape(args);
  if (!shape) return attention(args, stream);
  const auto* const keys = static_cast<const std::uint16_t*>(args.cache);  // bf16 words
  const AttentionTensors tensors{.q = args.q.data,
                                 .k = keys,
                                 .v = keys + KvPlaces(args.layout).values(),
                                 .bias = nullptr,
                                 .y = args.y.data};
  const Status status = cudnn_attention(*shape, tensors, args.last_key_bias, stream);
  return status == Status::unsupported_type ? attention(args, stream) : status;
}

/// What another library has found out stands before it.
Kernels& without_cudnn() {
  static Kernels table{};
  return table;
}

}  // namespace

void use_cudnn(Kernels& backend) {
  without_cudnn() = backend;
  backend.deterministic = false;
  backend.attention = attention_by_library;
  use_cudnn_convolutions(backend);
  backend.choices = [] { return without_cudnn().choices() + cudnn_choices(); };
  backend.use_choices = [](const std::string& text) {
    without_cudnn().use_choices(text);
    cudnn_use_choices(text);
  };
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
