// cuDNN on one stream of the device: a handle, one plan for every shape, and the memory that plans
// work in.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "kernels/cudnn_attention.hpp"
#include "kernels/cudnn_choices.hpp"
#include "kernels/cudnn_plan.hpp"
#include "kernels/cudnn_trial.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

/// What plans depend on beside their shape.
struct CudnnDevice {
  int major = 0, minor = 0;  ///< compute capability
  int multiprocessors = 0;   ///< 0 where there is no device
};

/// Plans are made for a handle, and a handle has one stream; cuDNN promises nothing for threads
/// that share one. So streams share nothing of this but `CudnnChoices`.
class CudnnStream {
 public:
  CudnnStream(cudaStream_t stream, const CudnnDevice& device, CudnnChoices& choices);

  /// What cudnn_library.hpp says of its functions, on this stream.
  Status attend(const AttentionShape& shape, AttentionTensors tensors, float last_key_bias);
  Status prepare(const ConvolutionShape& shape);
  Status convolve(const ConvolutionShape& shape, const ConvolutionTensors& tensors);

  /// Gives back the plans of all convolutions. No thread may be about to use one.
  void forget_convolutions();

 private:
  Status fill_bias(std::int64_t keys, float last);
  std::optional<CudnnPlan> planned(const ConvolutionShape& shape);
  std::string fastest(const ConvolutionShape& shape);

  std::mutex mutex_;
  const cudaStream_t stream_;
  GraphDevice device_;
  int multiprocessors_ = 0;
  CudnnChoices& choices_;
  Block workspace_, bias_;
  std::optional<std::pair<std::int64_t, float>> bias_holds_;
  // Nothing stands for what the library cannot do.
  std::map<AttentionShape, std::optional<CudnnAttention>> attentions_;
  std::map<ConvolutionShape, std::optional<CudnnPlan>> convolutions_;
};

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
