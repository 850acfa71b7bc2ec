// Attention by cuDNN, whole or in parts of its keys that are merged, whichever is faster.
#include "kernels/cudnn_attention.hpp"

#include <algorithm>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/attention_parts.hpp"
#include "kernels/bfloat16.hpp"
#include "kernels/cuda_backend.hpp"
#include "kernels/cuda_libraries.hpp"
#include "kernels/kv_layout_cuda.hpp"
#include "kernels/timing_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

/// The library and the plain kernel round at different places, which makes about 0.003; what is
/// further apart is wrong.
constexpr double most_apart = 0.01;

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

/// The last queries of a call, those of a short tile among them, for the plain kernel; without y.
AttentionArgs last_queries(const AttentionShape& s, const AttentionTensors& tensors,
                           std::int64_t count) {
  AttentionArgs args;
  args.layout = {s.heads, s.head_dim, s.kv_head_stride / s.head_dim, ElementType::bf16};
  args.cache = tensors.k;
  args.valid = s.keys;
  args.scale = s.scale;
  const auto* const q = static_cast<const bfloat16*>(tensors.q);
  args.q = const_view_of(q + (s.queries - count) * s.q_token_stride, ElementType::bf16,
                         {count, s.heads, s.head_dim});
  args.q.stride[0] = s.q_token_stride;
  args.q.stride[1] = s.q_head_stride;
  return args;
}

std::optional<CudnnAttention> likeliest_attention(const AttentionShape& shape,
                                                  const GraphDevice& device) {
  CudnnAttention likeliest(shape, device);
  return likeliest.plan().build_first() ? std::optional(std::move(likeliest)) : std::nullopt;
}

/// Tries plans with the tensors of a call, but with a y of its own. The plain kernel says what is
/// right, for the last queries.
class AttentionTrial {
 public:
  AttentionTrial(const AttentionShape& shape, const AttentionTensors& tensors,
                 const AttentionPlace& place)
      : shape_(shape),
        tensors_(tensors),
        place_(place),
        checked_(std::min(shape.queries, tile_queries)) {
    const std::int64_t last = (shape.queries - 1) * shape.y_token_stride +
                              (shape.heads - 1) * shape.y_head_stride + shape.head_dim;
    y_.resize(static_cast<std::size_t>(last));
    there_ = memory_.grow(y_.size() * sizeof(bfloat16)) && find_right();
    tensors_.y = memory_.data();
  }
  bool is_there() const { return there_; }

  /// All plans of a number of parts.
  void try_parts(std::int64_t parts) {
    shape_.parts = parts;
    CudnnAttention attention(shape_, place_.device);
    for (int i = 0; i < attention.plan().graph.candidates(); ++i) {
      if (!attention.plan().build(i) || !place_.workspace.grow(attention.workspace_bytes()) ||
          !forget_results(attention.workspace_bytes())) {
        continue;
      }
      const auto time = milliseconds_of(
          [&] { return attention.run(tensors_, place_.workspace.data(), place_.stream); },
          place_.stream);
      if (!time || *time >= least_ || !is_right()) continue;
      least_ = *time;
      fastest_ = name_of(parts, attention.plan().name());
    }
    cudaStreamSynchronize(place_.stream);  // before the code of these plans leaves the device
  }

  /// The name of the fastest one that is right; empty where none is.
  const std::string& fastest() const { return fastest_; }

 private:
  bool find_right() {
    AttentionArgs args = last_queries(shape_, tensors_, checked_);
    // The plain kernel takes the values from where they lie after the keys.
    const auto* const keys = static_cast<const bfloat16*>(tensors_.k);
    if (tensors_.v != keys + KvPlaces(args.layout).values()) return false;
    right_.resize(static_cast<std::size_t>(checked_ * shape_.heads * shape_.head_dim));
    Block memory;
    if (!memory.grow(right_.size() * sizeof(bfloat16))) return false;
    args.y = view_of(memory.data(), ElementType::bf16, {checked_, shape_.heads, shape_.head_dim});
    return attention(args, place_.stream) == Status::ok && read(right_, memory);
  }

  /// So that a plan that writes nothing, of the parts or of the whole, does not find what the one
  /// before it left: the bytes are no numbers.
  bool forget_results(std::size_t workspace_bytes) {
    const auto fill = [&](const Block& block, std::size_t bytes) {
      return cudaMemsetAsync(block.data(), 0xff, bytes, place_.stream) == cudaSuccess;
    };
    return fill(memory_, y_.size() * sizeof(bfloat16)) && fill(place_.workspace, workspace_bytes);
  }

  bool read(std::vector<bfloat16>& to, const Block& from) const {
    return cudaMemcpyAsync(to.data(), from.data(), to.size() * sizeof(bfloat16), cudaMemcpyDefault,
                           place_.stream) == cudaSuccess &&
           cudaStreamSynchronize(place_.stream) == cudaSuccess;
  }

  /// Whether the last result is right; what lies between its rows does not matter.
  bool is_right() {
    if (!read(y_, memory_)) return false;
    double difference = 0.0, size = 0.0;
    auto right = right_.begin();
    for (std::int64_t query = shape_.queries - checked_; query < shape_.queries; ++query) {
      for (std::int64_t head = 0; head < shape_.heads; ++head) {
        const std::int64_t row = query * shape_.y_token_stride + head * shape_.y_head_stride;
        for (std::int64_t i = row; i < row + shape_.head_dim; ++i, ++right) {
          const auto wanted = static_cast<double>(to_float(*right));
          const double apart =
              static_cast<double>(to_float(y_[static_cast<std::size_t>(i)])) - wanted;
          difference += apart * apart;
          size += wanted * wanted;
        }
      }
    }
    return difference <= most_apart * most_apart * size;
  }

  AttentionShape shape_;
  AttentionTensors tensors_;
  const AttentionPlace& place_;
  const std::int64_t checked_;  ///< queries
  Block memory_;
  std::vector<bfloat16> y_;      ///< the last result, laid out as that of the call
  std::vector<bfloat16> right_;  ///< [checked, heads, head_dim]
  bool there_ = false;
  float least_ = std::numeric_limits<float>::infinity();
  std::string fastest_;
};

/// The fastest of all plans of these numbers of parts that are right, if one is, and its name; the
/// likeliest of the whole, without a name, where nothing can be tried.
std::optional<CudnnAttention> tried_attention(const AttentionShape& shape,
                                              const AttentionTensors& tensors,
                                              const AttentionPlace& place,
                                              const std::vector<std::int64_t>& counts,
                                              std::string& name) {
  AttentionTrial trial(shape, tensors, place);
  if (!trial.is_there()) return likeliest_attention(shape, place.device);
  for (const auto parts : counts) trial.try_parts(parts);
  name = trial.fastest();
  // Made anew, so that the code of the plans that lost leaves the device.
  return named_attention(shape, name, place.device);
}

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
  if (has_lengths_) return true;
  has_lengths_ =
      lengths_.grow(static_cast<std::size_t>(2 * shape_.parts) * sizeof(std::int32_t)) &&
      fill_part_lengths(static_cast<std::int32_t*>(lengths_.data()), shape_.parts, shape_.queries,
                        shape_.keys, part_keys(shape_), stream) == Status::ok;
  return has_lengths_;
}

std::optional<CudnnAttention> planned_attention(const AttentionShape& shape,
                                                const AttentionTensors& tensors,
                                                const AttentionPlace& place) {
  if (shape.has_bias) return likeliest_attention(shape, place.device);
  const std::string key = key_of(shape);
  if (const auto known = place.choices.find(key)) {
    if (auto named = named_attention(shape, *known, place.device)) return named;
  }
  std::string name;
  auto tried =
      tried_attention(shape, tensors, place, part_counts(shape, place.multiprocessors), name);
  if (tried && !name.empty()) place.choices.keep(key, name);
  return tried;
}

std::optional<CudnnAttention> planned_whole_attention(const AttentionShape& shape,
                                                      const AttentionTensors& tensors,
                                                      const AttentionPlace& place) {
  std::string name;
  return tried_attention(shape, tensors, place, {1}, name);
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
