// A stand-in for cuDNN's graphs: attention and convolutions in float64, three plans each, and
// strict manners.
#include "support/cudnn_on_host/cudnn_on_host.hpp"

#include <cudnn.h>

#include <array>
#include <atomic>
#include <list>
#include <mutex>
#include <optional>
#include <variant>
#include <vector>

#include "kernels/bfloat16.hpp"
#include "kernels/cudnn_graphs.hpp"
#include "support/attention_oracle.hpp"
#include "support/conv_oracle.hpp"

/// One of several streams, or of none yet.
struct cudnnContext {
  std::optional<cudaStream_t> stream;
};

std::size_t cudnnGetVersion() { return 91900; }
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  static std::list<cudnnContext> made;  // never destroyed, as by the kernels' code
  static std::mutex lock;
  const std::lock_guard guard(lock);
  *handle = &made.emplace_back();
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  if (handle == nullptr) return CUDNN_STATUS_NOT_INITIALIZED;
  if (!handle->stream) handle->stream = stream;
  return *handle->stream == stream ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}

namespace causeway::testing {
namespace {
std::array<std::atomic<int>, 3> runs{};
std::atomic<int> convolutions = 0;
}  // namespace
int cudnn_on_host_runs(int plan) { return runs[static_cast<std::size_t>(plan)]; }
int cudnn_on_host_convolutions() { return convolutions; }
}  // namespace causeway::testing

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

using testing::fast_plan;
using testing::plan_that_fails;
using testing::slow_plan;

constexpr std::size_t needed_workspace = 512;

/// Elements of bf16 or f32 memory as float64, by index.
struct Elements {
  const void* data;
  bool is_bf16 = true;
  double operator[](std::size_t i) const {
    if (!is_bf16) return static_cast<double>(static_cast<const float*>(data)[i]);
    return static_cast<double>(to_float(static_cast<const bfloat16*>(data)[i]));
  }
};

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

void attend(const AttentionShape& s, const AttentionTensors& tensors) {
  const Elements q{tensors.q}, k{tensors.k}, v{tensors.v}, bias{tensors.bias, false};
  auto* const y = static_cast<bfloat16*>(tensors.y);
  for (std::int64_t head = 0; head < s.heads; ++head) {
    const auto rows_of = [&](const Elements& of) {
      return [&, head](std::size_t key, std::size_t i) {
        return of[index(head * s.kv_head_stride) + key * index(s.head_dim) + i];
      };
    };
    for (std::int64_t t = 0; t < s.queries; ++t) {
      std::vector<double> query(index(s.head_dim));
      for (std::size_t i = 0; i < query.size(); ++i) {
        query[i] = q[index(t * s.q_token_stride + head * s.q_head_stride) + i];
      }
      const auto row = testing::attention_oracle(
          query, index(s.keys), rows_of(k), rows_of(v),
          [&](std::size_t key) { return s.has_bias ? bias[key] : 0.0; },
          static_cast<double>(s.scale));
      for (std::size_t i = 0; i < row.size(); ++i) {
        y[index(t * s.y_token_stride + head * s.y_head_stride) + i] =
            to_bfloat16(static_cast<float>(row[i]));
      }
    }
  }
}

void convolve(const ConvolutionShape& s, const ConvolutionTensors& tensors) {
  const ConvSpec spec{s.in_channels, s.out_channels, s.kernel,         s.stride,
                      s.pad_before,  s.pad_after,    ElementType::bf16};
  // The oracle wants [out, in, kt, kh, kw].
  const std::int64_t taps = s.kernel[0] * s.kernel[1] * s.kernel[2];
  const Elements given{tensors.weight}, bias{tensors.bias};
  std::vector<double> weight, biases;
  for (std::int64_t out = 0; out < s.out_channels; ++out) {
    biases.push_back(s.has_bias ? bias[index(out)] : 0.0);
    for (std::int64_t in = 0; in < s.in_channels; ++in) {
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        weight.push_back(given[index((out * taps + tap) * s.in_channels + in)]);
      }
    }
  }
  const auto result = testing::conv_oracle(spec, s.input, Elements{tensors.x}, weight, biases);
  for (std::size_t i = 0; i < result.size(); ++i) {
    static_cast<bfloat16*>(tensors.y)[i] = to_bfloat16(static_cast<float>(result[i]));
  }
}

}  // namespace

struct CudnnGraph::Inside {
  std::variant<AttentionShape, ConvolutionShape> shape;
  cudnnHandle_t handle = nullptr;
  std::string problem;
  std::array<bool, 3> built{};

  Inside(const std::variant<AttentionShape, ConvolutionShape>& shape_, cudnnHandle_t handle_)
      : shape(shape_), handle(handle_) {
    if (std::holds_alternative<ConvolutionShape>(shape)) ++testing::convolutions;
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside() {
    if (std::holds_alternative<ConvolutionShape>(shape)) --testing::convolutions;
  }

  /// Whether a plan may be started now; the slow one takes its time.
  bool starts(int plan, const void* workspace) const {
    if (plan < 0 || plan > fast_plan || !built[index(plan)] || workspace == nullptr) return false;
    if (!handle->stream || !::cuda_on_host::is_memory_of(workspace, *handle->stream)) return false;
    ::cuda_on_host::note_work(*handle->stream);
    ::cuda_on_host::note_library_call();
    ++testing::runs[index(plan)];
    // More than this process could lose to others meanwhile.
    if (plan == slow_plan) ::cuda_on_host::pass_time(1e6);
    return true;
  }
};

CudnnGraph::CudnnGraph(const AttentionShape& shape, const GraphDevice& device)
    : inside_(std::make_unique<Inside>(shape, device.handle)) {
  if (device.handle == nullptr || shape.keys == 5) inside_->problem = "five keys";
}
CudnnGraph::CudnnGraph(const ConvolutionShape& shape, const GraphDevice& device)
    : inside_(std::make_unique<Inside>(shape, device.handle)) {
  if (device.handle == nullptr || shape.in_channels == 5) inside_->problem = "five channels";
}
CudnnGraph::~CudnnGraph() = default;
CudnnGraph::CudnnGraph(CudnnGraph&&) noexcept = default;
CudnnGraph& CudnnGraph::operator=(CudnnGraph&&) noexcept = default;

const std::string& CudnnGraph::problem() const { return inside_->problem; }
int CudnnGraph::candidates() const { return inside_->problem.empty() ? 3 : 0; }
std::string CudnnGraph::name(int candidate) const { return "plan" + std::to_string(candidate); }
bool CudnnGraph::build(int candidate) {
  inside_->built[index(candidate)] = candidate != plan_that_fails;
  return inside_->built[index(candidate)];
}
std::size_t CudnnGraph::workspace_bytes(int) const { return needed_workspace; }

bool CudnnGraph::run(int candidate, const AttentionTensors& tensors, void* workspace) const {
  if (!inside_->starts(candidate, workspace)) return false;
  const auto& shape = std::get<AttentionShape>(inside_->shape);
  if (shape.has_bias && !::cuda_on_host::is_memory_of(tensors.bias, *inside_->handle->stream)) {
    return false;
  }
  attend(shape, tensors);
  return true;
}
bool CudnnGraph::run(int candidate, const ConvolutionTensors& tensors, void* workspace) const {
  if (!inside_->starts(candidate, workspace)) return false;
  convolve(std::get<ConvolutionShape>(inside_->shape), tensors);
  return true;
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
