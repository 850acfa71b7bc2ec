// cuDNN on one stream of the device: a handle, one plan for every shape, and the memory that plans
// work in.
#include "kernels/cudnn_stream.hpp"

#include <cudnn.h>

#include <limits>
#include <sstream>

#include "kernels/cuda_libraries.hpp"
#include "kernels/timing_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

std::string key_of(const ConvolutionShape& s) {
  std::ostringstream text;
  text << "convolution " << s.in_channels << ' ' << s.out_channels << ' ' << s.has_bias;
  for (const auto& values : {s.kernel, s.stride, s.pad_before, s.pad_after, s.input}) {
    for (const auto value : values) text << ' ' << value;
  }
  return text.str();
}

}  // namespace

CudnnStream::CudnnStream(cudaStream_t stream, const CudnnDevice& device, CudnnChoices& choices)
    : stream_(stream), multiprocessors_(device.multiprocessors), choices_(choices) {
  cudnnHandle_t made = nullptr;
  if (device.multiprocessors == 0 || cudnnCreate(&made) != CUDNN_STATUS_SUCCESS) return;
  if (cudnnSetStream(made, stream) == CUDNN_STATUS_SUCCESS) {
    device_ = {made, 10 * device.major + device.minor, {}};
  } else {
    cudnnDestroy(made);
  }
}

Status CudnnStream::attend(const AttentionShape& shape, AttentionTensors tensors,
                           float last_key_bias) {
  const std::lock_guard lock(mutex_);
  if (device_.handle == nullptr) return Status::backend_failure;
  const AttentionPlace place{device_, multiprocessors_, choices_, workspace_, stream_};
  auto found = attentions_.find(shape);
  if (found == attentions_.end()) {
    found = attentions_.emplace(shape, planned_attention(shape, tensors, place)).first;
  }
  auto& attention = found->second;
  if (attention && attention->shape().parts > 1 && !workspace_.grow(attention->workspace_bytes())) {
    cudaStreamSynchronize(stream_);  // before the code of the plan in parts leaves the device
    attention = planned_whole_attention(shape, tensors, place);
  }
  if (!attention) return Status::unsupported_type;
  if (!workspace_.grow(attention->workspace_bytes())) return Status::backend_failure;
  if (shape.has_bias) {
    const Status status = fill_bias(shape.keys, last_key_bias);
    if (status != Status::ok) return status;
    tensors.bias = bias_.data();
  }
  return attention->run(tensors, workspace_.data(), stream_) ? Status::ok : Status::backend_failure;
}

Status CudnnStream::prepare(const ConvolutionShape& shape) {
  const std::lock_guard lock(mutex_);
  if (device_.handle == nullptr) return Status::backend_failure;
  auto found = convolutions_.find(shape);
  if (found == convolutions_.end()) found = convolutions_.emplace(shape, planned(shape)).first;
  if (!found->second) return Status::unsupported_type;
  return workspace_.grow(found->second->workspace) ? Status::ok : Status::backend_failure;
}

Status CudnnStream::convolve(const ConvolutionShape& shape, const ConvolutionTensors& tensors) {
  const std::lock_guard lock(mutex_);
  const auto found = convolutions_.find(shape);
  if (found == convolutions_.end() || !found->second) return Status::bad_shape;
  const CudnnPlan& plan = *found->second;
  // A trial that found no more memory may have left it smaller.
  if (!workspace_.grow(plan.workspace)) return Status::backend_failure;
  return plan.graph.run(plan.chosen, tensors, workspace_.data()) ? Status::ok
                                                                 : Status::backend_failure;
}

void CudnnStream::forget_convolutions() {
  const std::lock_guard lock(mutex_);
  // Their code may still run; and the stream may be gone, so that nobody could wait for it alone.
  if (!convolutions_.empty()) cudaDeviceSynchronize();
  convolutions_.clear();
}

Status CudnnStream::fill_bias(std::int64_t keys, float last) {
  const std::pair wanted(keys, last);
  if (bias_holds_ == wanted) return Status::ok;
  bias_holds_.reset();
  if (!bias_.grow(static_cast<std::size_t>(keys) * sizeof(float))) return Status::backend_failure;
  const Status status = fill_last_key_bias(static_cast<float*>(bias_.data()), keys, last, stream_);
  if (status == Status::ok) bias_holds_ = wanted;
  return status;
}

/// What was written down; else the fastest; else, where nothing can be tried, the likeliest.
std::optional<CudnnPlan> CudnnStream::planned(const ConvolutionShape& shape) {
  const std::string key = key_of(shape);
  CudnnPlan plan(shape, device_);
  const auto known = choices_.find(key);
  if (known && plan.build_named(*known)) return plan;
  const std::string name = fastest(shape);
  if (!name.empty() && plan.build_named(name)) {
    choices_.keep(key, name);
    return plan;
  }
  return plan.build_first() ? std::optional(std::move(plan)) : std::nullopt;
}

/// The name of the fastest plan, or nothing. Of a graph of its own, so that the code of the plans
/// that lost leaves the device with it.
std::string CudnnStream::fastest(const ConvolutionShape& shape) {
  CudnnPlan plan(shape, device_);
  const Trial trial(shape, stream_);
  std::string fastest;
  float least = std::numeric_limits<float>::infinity();
  for (int i = 0; trial.is_there() && i < plan.graph.candidates(); ++i) {
    if (!plan.build(i) || !workspace_.grow(plan.workspace)) continue;
    const auto milliseconds = milliseconds_of(
        [&] { return plan.graph.run(i, trial.tensors(), workspace_.data()); }, stream_);
    if (milliseconds && *milliseconds < least) {
      least = *milliseconds;
      fastest = plan.name();
    }
  }
  cudaStreamSynchronize(stream_);
  return fastest;
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
