// A stand-in for cuDNN's graphs: attention and convolutions in float64, three plans each, and
// strict manners.
#include "support/cudnn_on_host/cudnn_on_host.hpp"

#include <cudnn.h>

#include <array>
#include <atomic>
#include <cmath>
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

namespace {
std::list<cudnnContext> handles;
std::mutex handles_lock;
}  // namespace

std::size_t cudnnGetVersion() { return 91900; }
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  const std::lock_guard guard(handles_lock);
  *handle = &handles.emplace_back();
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  const std::lock_guard guard(handles_lock);
  const auto known = handles.remove_if([&](const cudnnContext& made) { return &made == handle; });
  return known == 1 ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  if (handle == nullptr) return CUDNN_STATUS_NOT_INITIALIZED;
  if (reinterpret_cast<std::uintptr_t>(stream) == causeway::testing::stream_without_cudnn) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  if (!handle->stream) handle->stream = stream;
  return *handle->stream == stream ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}

namespace causeway::testing {
namespace {
std::array<std::atomic<int>, 3> runs{};
std::atomic<int> convolutions = 0;
std::array<std::atomic<int>, 9> attentions{};
std::atomic<std::int64_t> fastest_parts = 1, wrong_parts = 0;
std::atomic<AttentionFlaw> flaw_of_wrong = AttentionFlaw::weights;

bool has_flaw(std::int64_t parts, AttentionFlaw flaw) {
  return (wrong_parts == parts || wrong_parts == any_parts) && flaw_of_wrong == flaw;
}
}  // namespace
AttentionOnHost::AttentionOnHost(std::int64_t fastest, std::int64_t wrong, AttentionFlaw flaw) {
  fastest_parts = fastest;
  wrong_parts = wrong;
  flaw_of_wrong = flaw;
}
AttentionOnHost::~AttentionOnHost() {
  fastest_parts = 1;
  wrong_parts = 0;
}
int cudnn_on_host_attentions(std::int64_t parts) {
  return attentions.at(static_cast<std::size_t>(parts));
}
int cudnn_on_host_runs(int plan) { return runs[static_cast<std::size_t>(plan)]; }
int cudnn_on_host_handles() {
  const std::lock_guard guard(handles_lock);
  return static_cast<int>(handles.size());
}
int cudnn_on_host_convolutions() { return convolutions; }
}  // namespace causeway::testing

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

using testing::AttentionFlaw;
using testing::fast_plan;
using testing::has_flaw;
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

/// ln Σ exp(scale·q·k) over some keys.
template <class Key>
double lse_of(const std::vector<double>& query, std::int64_t keys, double scale, const Key& key) {
  double sum = 0.0;
  for (std::int64_t j = 0; j < keys; ++j) {
    double dot = 0.0;
    for (std::size_t i = 0; i < query.size(); ++i) dot += query[i] * key(index(j), i);
    sum += std::exp(scale * dot);
  }
  return std::log(sum);
}

/// Keys of a part: all that its description has, unless lengths mask some.
std::int64_t keys_of(const AttentionShape& s, const AttentionTensors& tensors, std::int64_t part) {
  return tensors.lengths == nullptr ? part_keys(s) : tensors.lengths[s.parts + part];
}

/// One row of y, over the keys of one part.
void attend_row(const AttentionShape& s, const AttentionTensors& tensors, std::int64_t part,
                std::int64_t head, std::int64_t t) {
  const Elements q{tensors.q}, k{tensors.k}, v{tensors.v}, bias{tensors.bias, false};
  const auto rows_of = [&](const Elements& of) {
    return [&](std::size_t key, std::size_t i) {
      return of[index(head * s.kv_head_stride + part * part_keys(s) * s.head_dim) +
                key * index(s.head_dim) + i];
    };
  };
  std::vector<double> query(index(s.head_dim));
  for (std::size_t i = 0; i < query.size(); ++i) {
    query[i] = q[index(t * s.q_token_stride + head * s.q_head_stride) + i];
  }
  const std::int64_t keys = keys_of(s, tensors, part);
  const auto scale = static_cast<double>(s.scale);
  auto row = testing::attention_oracle(
      query, index(keys), rows_of(k), rows_of(v),
      [&](std::size_t key) { return s.has_bias ? bias[key] : 0.0; }, scale);
  if (t == s.queries - 1 && has_flaw(s.parts, AttentionFlaw::last_query)) row[0] += 1.0;
  const bool whole = s.parts == 1;
  const std::int64_t y_row = (part * s.queries + t) * s.heads + head;
  auto* const y = static_cast<bfloat16*>(tensors.y) +
                  (whole ? t * s.y_token_stride + head * s.y_head_stride : y_row * s.head_dim);
  for (std::size_t i = 0; i < row.size(); ++i) y[i] = to_bfloat16(static_cast<float>(row[i]));
  if (whole) return;
  const double lse = has_flaw(s.parts, AttentionFlaw::weights)
                         ? 7.0 * static_cast<double>(part)
                         : lse_of(query, keys, scale, rows_of(k));
  static_cast<float*>(tensors.lse)[(part * s.heads + head) * s.queries + t] =
      static_cast<float>(lse);
}

void attend(const AttentionShape& s, const AttentionTensors& tensors) {
  for (std::int64_t part = 0; part < s.parts; ++part) {
    for (std::int64_t head = 0; head < s.heads; ++head) {
      for (std::int64_t t = 0; t < s.queries; ++t) attend_row(s, tensors, part, head, t);
    }
  }
}

/// Whether lengths are there where they are needed, for all queries of every part and no key more.
bool lengths_are_right(const AttentionShape& s, const AttentionTensors& tensors) {
  if (!has_shorter_part(s)) return tensors.lengths == nullptr;
  if (tensors.lengths == nullptr) return false;
  std::int64_t keys = 0;
  for (std::int64_t part = 0; part < s.parts; ++part) {
    if (tensors.lengths[part] != s.queries) return false;
    keys += tensors.lengths[s.parts + part];
  }
  return keys == s.keys;
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
    if (const auto* const s = std::get_if<AttentionShape>(&shape)) {
      ++testing::attentions.at(index(s->parts));
    }
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
  const cudaStream_t stream = *inside_->handle->stream;
  if (shape.parts > 1 && (shape.has_bias || !lengths_are_right(shape, tensors) ||
                          !::cuda_on_host::is_memory_of(tensors.y, stream) ||
                          !::cuda_on_host::is_memory_of(tensors.lse, stream))) {
    return false;
  }
  const bool writes =
      candidate != fast_plan || !has_flaw(shape.parts, AttentionFlaw::nothing_written);
  const bool wrong = !writes || has_flaw(shape.parts, AttentionFlaw::weights) ||
                     has_flaw(shape.parts, AttentionFlaw::last_query);
  const bool fastest = shape.parts == testing::fastest_parts;
  ::cuda_on_host::pass_time(wrong ? 1e4 : fastest ? 5e4 : 1e5);
  if (writes) attend(shape, tensors);
  return true;
}
bool CudnnGraph::run(int candidate, const ConvolutionTensors& tensors, void* workspace) const {
  if (!inside_->starts(candidate, workspace)) return false;
  convolve(std::get<ConvolutionShape>(inside_->shape), tensors);
  return true;
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
