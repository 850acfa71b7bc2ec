// cuDNN on this process's device: one plan for every shape, and the memory that plans work in.
#include "kernels/cudnn_library.hpp"

#include <cuda_runtime.h>
#include <cudnn.h>

#include <exception>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <utility>

#include "kernels/cuda_libraries.hpp"
#include "kernels/cudnn_trial.hpp"
#include "kernels/timing_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

/// A graph with the plan that was chosen for it; without one the library cannot do it.
struct Plan {
  std::optional<CudnnGraph> graph;
  int chosen = 0;
  std::size_t workspace = 0;
};

/// A line of `choices` is a shape, then the name of its plan.
std::string key_of(const ConvolutionShape& s) {
  std::ostringstream text;
  text << "convolution " << s.in_channels << ' ' << s.out_channels << ' ' << s.has_bias;
  for (const auto& values : {s.kernel, s.stride, s.pad_before, s.pad_after, s.input}) {
    for (const auto value : values) text << ' ' << value;
  }
  return text.str();
}

class Library {
 public:
  Library() {
    cudnnHandle_t made = nullptr;
    int device = 0;
    if (cudnnCreate(&made) == CUDNN_STATUS_SUCCESS && cudaGetDevice(&device) == cudaSuccess &&
        cudaDeviceGetAttribute(&major_, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
        cudaDeviceGetAttribute(&minor_, cudaDevAttrComputeCapabilityMinor, device) == cudaSuccess &&
        cudaDeviceGetAttribute(&processors_, cudaDevAttrMultiProcessorCount, device) ==
            cudaSuccess) {
      device_ = {made, 10 * major_ + minor_, {}};
    }
  }

  Status attend(const AttentionShape& shape, AttentionTensors tensors, float last_key_bias,
                cudaStream_t stream) {
    const std::lock_guard lock(mutex_);
    if (!works_on(stream)) return Status::backend_failure;
    auto found = attentions_.find(shape);
    if (found == attentions_.end()) found = attentions_.emplace(shape, first_plan(shape)).first;
    const Plan& plan = found->second;
    if (!plan.graph) return Status::unsupported_type;
    if (!workspace_.grow(plan.workspace)) return Status::backend_failure;
    if (shape.has_bias) {
      const Status status = fill_bias(shape.keys, last_key_bias, stream);
      if (status != Status::ok) return status;
      tensors.bias = bias_.data();
    }
    return plan.graph->run(plan.chosen, tensors, workspace_.data()) ? Status::ok
                                                                    : Status::backend_failure;
  }

  Status prepare(const ConvolutionShape& shape) {
    const std::lock_guard lock(mutex_);
    if (!works_on(nullptr)) return Status::backend_failure;
    auto found = convolutions_.find(shape);
    if (found == convolutions_.end()) {
      found = convolutions_.emplace(shape, fastest_plan(shape)).first;
    }
    const Plan& plan = found->second;
    if (!plan.graph) return Status::unsupported_type;
    return workspace_.grow(plan.workspace) ? Status::ok : Status::backend_failure;
  }

  Status convolve(const ConvolutionShape& shape, const ConvolutionTensors& tensors,
                  cudaStream_t stream) {
    const std::lock_guard lock(mutex_);
    const auto found = convolutions_.find(shape);
    if (found == convolutions_.end() || !found->second.graph) return Status::bad_shape;
    if (!works_on(stream)) return Status::backend_failure;
    const Plan& plan = found->second;
    return plan.graph->run(plan.chosen, tensors, workspace_.data()) ? Status::ok
                                                                    : Status::backend_failure;
  }

  void join() {
    const std::lock_guard lock(mutex_);
    ++users_;
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--users_ > 0) return;
    cudaDeviceSynchronize();
    convolutions_.clear();
  }

  std::string choices() {
    const std::lock_guard lock(mutex_);
    if (device_.handle == nullptr) return {};
    std::string text = header() + '\n';
    for (const auto& [key, name] : names_) text += key + ' ' + name + '\n';
    return text;
  }

  void use_choices(const std::string& choices) {
    const std::lock_guard lock(mutex_);
    std::istringstream text(choices);
    std::string line;
    while (std::getline(text, line) && line != header()) {
    }
    while (std::getline(text, line)) {
      const auto space = line.rfind(' ');
      if (space != std::string::npos) {
        names_.insert_or_assign(line.substr(0, space), line.substr(space + 1));
      }
    }
  }

 private:
  /// The handle's stream, the workspace and the bias are one for all: whoever comes with another
  /// stream waits for the last one's work. (The program has one stream.)
  bool works_on(cudaStream_t stream) {
    if (device_.handle == nullptr) return false;
    if (stream != stream_ && cudaStreamSynchronize(stream_) != cudaSuccess) return false;
    if (cudnnSetStream(device_.handle, stream) != CUDNN_STATUS_SUCCESS) return false;
    stream_ = stream;
    return true;
  }

  Status fill_bias(std::int64_t keys, float last, cudaStream_t stream) {
    const std::pair wanted(keys, last);
    if (bias_holds_ == wanted) return Status::ok;
    bias_holds_.reset();
    if (!bias_.grow(static_cast<std::size_t>(keys) * sizeof(float))) return Status::backend_failure;
    const Status status = fill_last_key_bias(static_cast<float*>(bias_.data()), keys, last, stream);
    if (status == Status::ok) bias_holds_ = wanted;
    return status;
  }

  /// The likeliest plan that works.
  template <class Shape>
  Plan first_plan(const Shape& shape) {
    Plan plan{CudnnGraph(shape, device_)};
    for (int i = 0; i < plan.graph->candidates(); ++i) {
      if (built(plan, i)) return plan;
    }
    return {};
  }

  /// What was written down; else the fastest; else, where nothing can be tried, the likeliest.
  Plan fastest_plan(const ConvolutionShape& shape) {
    Plan plan{CudnnGraph(shape, device_)};
    const std::string key = key_of(shape);
    const auto known = names_.find(key);
    int best = known == names_.end() ? -1 : candidate_named(*plan.graph, known->second);
    if (best < 0) best = fastest_candidate(shape);
    if (best < 0 || !built(plan, best)) return first_plan(shape);
    names_.insert_or_assign(key, plan.graph->name(best));
    return plan;
  }

  static int candidate_named(const CudnnGraph& graph, const std::string& name) {
    for (int i = 0; i < graph.candidates(); ++i) {
      if (graph.name(i) == name) return i;
    }
    return -1;
  }

  /// Of a graph of its own, so that the code of the plans that lost leaves the device with it.
  int fastest_candidate(const ConvolutionShape& shape) {
    Plan plan{CudnnGraph(shape, device_)};
    const Trial trial(shape);
    int fastest = -1;
    float least = std::numeric_limits<float>::infinity();
    for (int i = 0; trial.is_there() && i < plan.graph->candidates(); ++i) {
      if (!built(plan, i) || !workspace_.grow(plan.workspace)) continue;
      const auto milliseconds = milliseconds_of(
          [&] { return plan.graph->run(i, trial.tensors(), workspace_.data()); }, nullptr);
      if (milliseconds && *milliseconds < least) {
        least = *milliseconds;
        fastest = i;
      }
    }
    cudaDeviceSynchronize();
    return fastest;
  }

  static bool built(Plan& plan, int candidate) {
    if (!plan.graph->build(candidate)) return false;
    plan.chosen = candidate;
    plan.workspace = plan.graph->workspace_bytes(candidate);
    return true;
  }

  std::string header() const {
    std::ostringstream text;
    const std::size_t version = cudnnGetVersion();
    text << "cuDNN " << version / 10000 << '.' << version / 100 % 100 << '.' << version % 100
         << " on compute capability " << major_ << '.' << minor_ << " with " << processors_
         << " multiprocessors";
    return text.str();
  }

  std::mutex mutex_;
  GraphDevice device_;
  int major_ = 0, minor_ = 0, processors_ = 0;
  cudaStream_t stream_ = nullptr;
  Block workspace_, bias_;
  std::optional<std::pair<std::int64_t, float>> bias_holds_;
  std::map<AttentionShape, Plan> attentions_;
  std::map<ConvolutionShape, Plan> convolutions_;
  std::map<std::string, std::string> names_;  ///< of plans, by the key of their shape
  int users_ = 0;
};

Library& library() {
  // Never taken down: CUDA may have ended before the last destructors run.
  static Library& made = *new Library;
  return made;
}

template <class Call>
Status answer(Call call) {
  try {
    return call();
  } catch (const std::exception&) {
    return Status::backend_failure;
  }
}

}  // namespace

Status cudnn_attention(const AttentionShape& shape, AttentionTensors tensors, float last_key_bias,
                       Stream stream) {
  return answer([&] {
    return library().attend(shape, tensors, last_key_bias, static_cast<cudaStream_t>(stream));
  });
}

Status cudnn_prepare(const ConvolutionShape& shape) {
  return answer([&] { return library().prepare(shape); });
}

Status cudnn_convolve(const ConvolutionShape& shape, const ConvolutionTensors& tensors,
                      Stream stream) {
  return answer(
      [&] { return library().convolve(shape, tensors, static_cast<cudaStream_t>(stream)); });
}

void cudnn_join() { library().join(); }
void cudnn_leave() { library().leave(); }

std::string cudnn_choices() { return library().choices(); }
void cudnn_use_choices(const std::string& text) { library().use_choices(text); }

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
