// Attention by cuDNN, whole or in parts of its keys that are merged, whichever is faster.
#include "kernels/cudnn_attention.hpp"

#include <cstring>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/attention_parts.hpp"
#include "kernels/bfloat16.hpp"
#include "kernels/cuda_libraries.hpp"
#include "kernels/timing_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

/// Whole and split attention round at different places; what is further apart is wrong.
constexpr double most_apart = 0.02;

std::size_t whole_lines(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

std::size_t bytes_of_parts(const AttentionShape& s) {
  const std::int64_t elements = s.parts * s.queries * s.heads * s.head_dim;
  return whole_lines(static_cast<std::size_t>(elements) * sizeof(bfloat16));
}
std::size_t bytes_of_lse(const AttentionShape& s) {
  return static_cast<std::size_t>(s.parts * s.queries * s.heads) * sizeof(float);
}

/// What is fastest depends little on strides, nor on queries within a tile: the parts that ranks
/// have of a chunk differ by one.
std::string key_of(const AttentionShape& s) {
  std::ostringstream text;
  text << "attention " << s.heads << ' ' << s.head_dim << ' ' << tiles_of(s) / s.heads << ' '
       << s.keys;
  return text.str();
}

/// A plan's name stands after the number of its parts: 3/eng9_k24=7.
std::string name_of(std::int64_t parts, const std::string& plan) {
  return std::to_string(parts) + '/' + plan;
}

/// What was written down, if it can be done.
std::optional<CudnnAttention> named_attention(AttentionShape shape, const std::string& name,
                                              const GraphDevice& device) {
  std::istringstream text(name);
  std::string plan;
  char slash = ' ';
  if (!(text >> shape.parts >> slash >> plan) || slash != '/' || shape.parts < 1) return {};
  if (shape.parts > 1 && !can_be_split(shape)) return {};
  CudnnAttention named(shape, device);
  return named.plan().build_named(plan) ? std::optional(std::move(named)) : std::nullopt;
}

/// Tries plans with the tensors of a call, but with a y of its own.
class AttentionTrial {
 public:
  AttentionTrial(const AttentionShape& shape, const AttentionTensors& tensors,
                 const AttentionPlace& place)
      : shape_(shape), tensors_(tensors), place_(place) {
    const std::int64_t last = (shape.queries - 1) * shape.y_token_stride +
                              (shape.heads - 1) * shape.y_head_stride + shape.head_dim;
    y_.resize(static_cast<std::size_t>(last));
    there_ = memory_.grow(y_bytes()) &&
             cudaMemsetAsync(memory_.data(), 0, y_bytes(), place.stream) == cudaSuccess;
    tensors_.y = memory_.data();
  }
  bool is_there() const { return there_; }

  /// All plans of a number of parts; the first one, of the whole, says what is right.
  void try_parts(std::int64_t parts) {
    shape_.parts = parts;
    CudnnAttention attention(shape_, place_.device);
    for (int i = 0; i < attention.plan().graph.candidates(); ++i) {
      if (!attention.plan().build(i) || !place_.workspace.grow(attention.workspace_bytes()))
        continue;
      const auto time = milliseconds_of(
          [&] { return attention.run(tensors_, place_.workspace.data(), place_.stream); },
          place_.stream);
      if (!time || !is_right() || *time >= least_) continue;
      least_ = *time;
      fastest_ = name_of(parts, attention.plan().name());
    }
    cudaStreamSynchronize(place_.stream);  // before the code of these plans leaves the device
  }

  /// The name of the fastest one; empty where none ran.
  const std::string& fastest() const { return fastest_; }

 private:
  std::size_t y_bytes() const { return y_.size() * sizeof(bfloat16); }

  /// Whether the last result is that of the first plan of the whole, which it may be itself.
  bool is_right() {
    std::vector<bfloat16> y(y_.size());
    if (cudaMemcpyAsync(y.data(), memory_.data(), y_bytes(), cudaMemcpyDefault, place_.stream) !=
            cudaSuccess ||
        cudaStreamSynchronize(place_.stream) != cudaSuccess) {
      return false;
    }
    if (fastest_.empty() && shape_.parts == 1) y_ = y;
    double difference = 0.0, size = 0.0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const auto right = static_cast<double>(to_float(y_[i]));
      const double apart = static_cast<double>(to_float(y[i])) - right;
      difference += apart * apart;
      size += right * right;
    }
    return difference <= most_apart * most_apart * size;
  }

  AttentionShape shape_;
  AttentionTensors tensors_;
  const AttentionPlace& place_;
  Block memory_;
  std::vector<bfloat16> y_;  ///< what the first plan of the whole gave
  bool there_ = false;
  float least_ = std::numeric_limits<float>::infinity();
  std::string fastest_;
};

}  // namespace

std::size_t CudnnAttention::workspace_bytes() const {
  if (shape_.parts == 1) return plan_.workspace;
  return whole_lines(plan_.workspace) + bytes_of_parts(shape_) + bytes_of_lse(shape_);
}

bool CudnnAttention::run(AttentionTensors tensors, void* workspace, cudaStream_t stream) {
  if (shape_.parts == 1) return plan_.graph.run(plan_.chosen, tensors, workspace);
  if (has_shorter_part(shape_) && !make_lengths(stream)) return false;
  void* const y = tensors.y;
  tensors.y = static_cast<char*>(workspace) + whole_lines(plan_.workspace);
  tensors.lse = static_cast<char*>(tensors.y) + bytes_of_parts(shape_);
  tensors.lengths = static_cast<const std::int32_t*>(lengths_.data());
  if (!plan_.graph.run(plan_.chosen, tensors, workspace)) return false;
  const AttentionParts parts{.parts = tensors.y,
                             .lse = static_cast<const float*>(tensors.lse),
                             .count = shape_.parts,
                             .queries = shape_.queries,
                             .heads = shape_.heads,
                             .head_dim = shape_.head_dim,
                             .y = y,
                             .y_token_stride = shape_.y_token_stride,
                             .y_head_stride = shape_.y_head_stride};
  return merge_attention_parts(parts, stream) == Status::ok;
}

bool CudnnAttention::make_lengths(cudaStream_t stream) {
  if (lengths_.data() != nullptr) return true;
  return lengths_.grow(static_cast<std::size_t>(2 * shape_.parts) * sizeof(std::int32_t)) &&
         fill_part_lengths(static_cast<std::int32_t*>(lengths_.data()), shape_.parts,
                           shape_.queries, shape_.keys, part_keys(shape_), stream) == Status::ok;
}

std::optional<CudnnAttention> planned_attention(const AttentionShape& shape,
                                                const AttentionTensors& tensors,
                                                const AttentionPlace& place) {
  if (!shape.has_bias) {
    const std::string key = key_of(shape);
    if (const auto known = place.choices.find(key)) {
      if (auto named = named_attention(shape, *known, place.device)) return named;
    }
    AttentionTrial trial(shape, tensors, place);
    if (trial.is_there()) {
      for (const auto parts : part_counts(shape, place.multiprocessors)) trial.try_parts(parts);
    }
    // Made anew, so that the code of the plans that lost leaves the device.
    if (auto fastest = named_attention(shape, trial.fastest(), place.device)) {
      place.choices.keep(key, trial.fastest());
      return fastest;
    }
  }
  CudnnAttention likeliest(shape, place.device);
  return likeliest.plan().build_first() ? std::optional(std::move(likeliest)) : std::nullopt;
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
