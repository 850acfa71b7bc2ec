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

#include "kernels/cudnn_choices.hpp"
#include "kernels/cudnn_graphs.hpp"
#include "kernels/cudnn_trial.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

/// Plans are made for a handle, and a handle has one stream; cuDNN promises nothing for threads
/// that share one. So streams share nothing of this but `CudnnChoices`.
class CudnnStream {
 public:
  /// `capability` of the device: 90 stands for 9.0.
  CudnnStream(cudaStream_t stream, int capability, CudnnChoices& choices);

  /// What cudnn_library.hpp says of its functions, on this stream.
  Status attend(const AttentionShape& shape, AttentionTensors tensors, float last_key_bias);
  Status prepare(const ConvolutionShape& shape);
  Status convolve(const ConvolutionShape& shape, const ConvolutionTensors& tensors);

  /// Gives back the plans of all convolutions. No thread may be about to use one.
  void forget_convolutions();

 private:
  /// A graph with the plan that was chosen for it; without one the library cannot do it.
  struct Plan {
    std::optional<CudnnGraph> graph;
    int chosen = 0;
    std::size_t workspace = 0;
    bool build(int candidate);
  };

  Status fill_bias(std::int64_t keys, float last);
  template <class Shape>
  Plan first_plan(const Shape& shape);
  Plan fastest_plan(const ConvolutionShape& shape);
  int fastest_candidate(const ConvolutionShape& shape);

  std::mutex mutex_;
  const cudaStream_t stream_;
  GraphDevice device_;
  CudnnChoices& choices_;
  Block workspace_, bias_;
  std::optional<std::pair<std::int64_t, float>> bias_holds_;
  std::map<AttentionShape, Plan> attentions_;
  std::map<ConvolutionShape, Plan> convolutions_;
};

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
