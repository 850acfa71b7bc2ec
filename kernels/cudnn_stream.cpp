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

int candidate_named(const CudnnGraph& graph, const std::string& name) {
  for (int i = 0; i < graph.candidates(); ++i) {
    if (graph.name(i) == name) return i;
  }
  return -1;
}

}  // namespace

CudnnStream::CudnnStream(cudaStream_t stream, int capability, CudnnChoices& choices)
    : stream_(stream), choices_(choices) {
  cudnnHandle_t made = nullptr;
  if (capability > 0 && cudnnCreate(&made) == CUDNN_STATUS_SUCCESS &&
      cudnnSetStream(made, stream) == CUDNN_STATUS_SUCCESS) {
    device_ = {made, capability, {}};
  }
}

Status CudnnStream::attend(const AttentionShape& shape, AttentionTensors tensors,
                           float last_key_bias) {
  const std::lock_guard lock(mutex_);
  if (device_.handle == nullptr) return Status::backend_failure;
  auto found = attentions_.find(shape);
  if (found == attentions_.end()) found = attentions_.emplace(shape, first_plan(shape)).first;
  const Plan& plan = found->second;
  if (!plan.graph) return Status::unsupported_type;
  if (!workspace_.grow(plan.workspace)) return Status::backend_failure;
  if (shape.has_bias) {
    const Status status = fill_bias(shape.keys, last_key_bias);
    if (status != Status::ok) return status;
    tensors.bias = bias_.data();
  }
  return plan.graph->run(plan.chosen, tensors, workspace_.data()) ? Status::ok
                                                                  : Status::backend_failure;
}

Status CudnnStream::prepare(const ConvolutionShape& shape) {
  const std::lock_guard lock(mutex_);
  if (device_.handle == nullptr) return Status::backend_failure;
  auto found = convolutions_.find(shape);
  if (found == convolutions_.end()) found = convolutions_.emplace(shape, fastest_plan(shape)).first;
  const Plan& plan = found->second;
  if (!plan.graph) return Status::unsupported_type;
  return workspace_.grow(plan.workspace) ? Status::ok : Status::backend_failure;
}

Status CudnnStream::convolve(const ConvolutionShape& shape, const ConvolutionTensors& tensors) {
  const std::lock_guard lock(mutex_);
  const auto found = convolutions_.find(shape);
  if (found == convolutions_.end() || !found->second.graph) return Status::bad_shape;
  const Plan& plan = found->second;
  return plan.graph->run(plan.chosen, tensors, workspace_.data()) ? Status::ok
                                                                  : Status::backend_failure;
}

void CudnnStream::forget_convolutions() {
  const std::lock_guard lock(mutex_);
  if (!convolutions_.empty()) cudaStreamSynchronize(stream_);  // their code may still run
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

bool CudnnStream::Plan::build(int candidate) {
  if (!graph->build(candidate)) return false;
  chosen = candidate;
  workspace = graph->workspace_bytes(candidate);
  return true;
}

/// The likeliest plan that works.
template <class Shape>
CudnnStream::Plan CudnnStream::first_plan(const Shape& shape) {
  Plan plan{CudnnGraph(shape, device_)};
  for (int i = 0; i < plan.graph->candidates(); ++i) {
    if (plan.build(i)) return plan;
  }
  return {};
}

/// What was written down; else the fastest; else, where nothing can be tried, the likeliest.
CudnnStream::Plan CudnnStream::fastest_plan(const ConvolutionShape& shape) {
  Plan plan{CudnnGraph(shape, device_)};
  const std::string key = key_of(shape);
  const auto known = choices_.find(key);
  int best = known ? candidate_named(*plan.graph, *known) : -1;
  if (best < 0) best = fastest_candidate(shape);
  if (best < 0 || !plan.build(best)) return first_plan(shape);
  choices_.keep(key, plan.graph->name(best));
  return plan;
}

/// Of a graph of its own, so that the code of the plans that lost leaves the device with it.
int CudnnStream::fastest_candidate(const ConvolutionShape& shape) {
  Plan plan{CudnnGraph(shape, device_)};
  const Trial trial(shape, stream_);
  int fastest = -1;
  float least = std::numeric_limits<float>::infinity();
  for (int i = 0; trial.is_there() && i < plan.graph->candidates(); ++i) {
    if (!plan.build(i) || !workspace_.grow(plan.workspace)) continue;
    const auto milliseconds = milliseconds_of(
        [&] { return plan.graph->run(i, trial.tensors(), workspace_.data()); }, stream_);
    if (milliseconds && *milliseconds < least) {
      least = *milliseconds;
      fastest = i;
    }
  }
  cudaStreamSynchronize(stream_);
  return fastest;
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
