// Graphs of cuDNN's for what Causeway asks of it: the one file that knows cudnn-frontend.
#include "kernels/cudnn_graphs.hpp"

#define CUDNN_FRONTEND_SKIP_JSON_LIB  // nothing is written to JSON here, and its headers take long
#include <cudnn_frontend.h>

#include <algorithm>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <vector>

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

namespace fe = cudnn_frontend;
using Tensor = std::shared_ptr<fe::graph::Tensor_attributes>;
using Sizes = std::vector<std::int64_t>;

/// Names of tensors when a graph is run.
enum Uid : std::int64_t {
  uid_first = 1,
  uid_second,
  uid_third,
  uid_bias,
  uid_result,
  uid_lse,
  uid_query_lengths,
  uid_key_lengths
};

/// Plans that want more are not looked at: a convolution is a product in place, and what takes
/// copies of its input is not the fastest.
constexpr std::int64_t most_workspace = std::int64_t{512} << 20;

std::shared_ptr<fe::DeviceProperties> described(const std::string& properties) {
  auto made = std::make_shared<fe::DeviceProperties>();
  const auto status = made->deserialize({properties.begin(), properties.end()});
  return status.is_good() ? made : nullptr;
}

fe::graph::Tensor_attributes tensor(const char* name, Uid uid, Sizes sizes, Sizes strides) {
  fe::graph::Tensor_attributes made;
  made.set_name(name).set_uid(uid).set_dim(sizes).set_stride(strides);
  return made;
}

/// [batch 1, channels, time, height, width] of which the channels lie together.
fe::graph::Tensor_attributes channels_last(const char* name, Uid uid, std::int64_t first,
                                           std::int64_t channels,
                                           const std::array<std::int64_t, 3>& extents) {
  const auto [time, height, width] = extents;
  return tensor(
      name, uid, {first, channels, time, height, width},
      {time * height * width * channels, 1, height * width * channels, width * channels, channels});
}

Sizes sizes_of(const std::array<std::int64_t, 3>& values) { return {values.begin(), values.end()}; }

/// Lengths of all parts: what keys the last one has too many is masked.
void describe_lengths(fe::graph::Graph& graph, const AttentionShape& s,
                      fe::graph::SDPA_attributes& attributes) {
  const auto lengths = [&](const char* name, Uid uid) {
    auto described = tensor(name, uid, {s.parts, 1, 1, 1}, {1, 1, 1, 1});
    return graph.tensor(described.set_data_type(fe::DataType_t::INT32));
  };
  attributes.set_padding_mask(true)
      .set_seq_len_q(lengths("query lengths", uid_query_lengths))
      .set_seq_len_kv(lengths("key lengths", uid_key_lengths));
}

/// The parts of the keys are a batch whose queries are the same: their stride is 0.
void describe(fe::graph::Graph& graph, const AttentionShape& s) {
  const auto heads = [&](const char* name, Uid uid, std::int64_t tokens, std::int64_t part_stride,
                         std::int64_t head_stride, std::int64_t token_stride) {
    const std::int64_t alone = s.heads * std::max(head_stride, tokens * token_stride);
    return tensor(name, uid, {s.parts, s.heads, tokens, s.head_dim},
                  {s.parts == 1 ? alone : part_stride, head_stride, token_stride, 1});
  };
  const std::int64_t keys = part_keys(s);
  const Tensor q =
      graph.tensor(heads("q", uid_first, s.queries, 0, s.q_head_stride, s.q_token_stride));
  const Tensor k =
      graph.tensor(heads("k", uid_second, keys, keys * s.head_dim, s.kv_head_stride, s.head_dim));
  const Tensor v =
      graph.tensor(heads("v", uid_third, keys, keys * s.head_dim, s.kv_head_stride, s.head_dim));
  auto attributes = fe::graph::SDPA_attributes()
                        .set_name("attention")
                        .set_generate_stats(s.parts > 1)
                        .set_attn_scale(s.scale);
  if (s.has_bias) {
    auto bias = tensor("bias", uid_bias, {1, 1, 1, s.keys}, {s.keys, s.keys, s.keys, 1});
    attributes.set_bias(graph.tensor(bias.set_data_type(fe::DataType_t::FLOAT)));
  }
  if (has_shorter_part(s)) describe_lengths(graph, s, attributes);
  const auto [y, lse] = graph.sdpa(q, k, v, attributes);
  const std::int64_t width = s.heads * s.head_dim;
  const auto like = s.parts == 1
                        ? heads("y", uid_result, s.queries, 0, s.y_head_stride, s.y_token_stride)
                        : heads("y", uid_result, s.queries, s.queries * width, s.head_dim, width);
  y->set_output(true).set_uid(uid_result).set_dim(like.get_dim()).set_stride(like.get_stride());
  if (s.parts > 1) {
    lse->set_output(true).set_uid(uid_lse).set_data_type(fe::DataType_t::FLOAT);
    lse->set_dim({s.parts, s.heads, s.queries, 1})
        .set_stride({s.heads * s.queries, s.queries, 1, 1});
  }
}

void describe(fe::graph::Graph& graph, const ConvolutionShape& s) {
  const Tensor x = graph.tensor(channels_last("x", uid_first, 1, s.in_channels, s.input));
  const Tensor weight =
      graph.tensor(channels_last("weight", uid_second, s.out_channels, s.in_channels, s.kernel));
  Tensor y = graph.conv_fprop(x, weight,
                              fe::graph::Conv_fprop_attributes()
                                  .set_name("convolution")
                                  .set_pre_padding(sizes_of(s.pad_before))
                                  .set_post_padding(sizes_of(s.pad_after))
                                  .set_stride(sizes_of(s.stride))
                                  .set_dilation({1, 1, 1}));
  const auto like = channels_last("y", uid_result, 1, s.out_channels, s.output);
  if (s.has_bias) {
    // Of the type of the result: with a bias in f32 only engines without the fastest instructions
    // of their GPU take the sum along.
    const Tensor bias =
        graph.tensor(tensor("bias", uid_bias, {1, s.out_channels, 1, 1, 1},
                            {s.out_channels, 1, s.out_channels, s.out_channels, s.out_channels}));
    y->set_data_type(fe::DataType_t::FLOAT).set_dim(like.get_dim()).set_stride(like.get_stride());
    y = graph.pointwise(
        y, bias,
        fe::graph::Pointwise_attributes().set_name("bias").set_mode(fe::PointwiseMode_t::ADD));
  }
  y->set_output(true).set_uid(uid_result).set_dim(like.get_dim()).set_stride(like.get_stride());
  y->set_data_type(fe::DataType_t::BFLOAT16);
}

}  // namespace

struct CudnnGraph::Inside {
  fe::graph::Graph graph;
  cudnnHandle_t handle = nullptr;
  std::string problem;
  int candidates = 0;
  std::int64_t parts = 1;  ///< of the keys

  Inside(const AttentionShape& shape, const GraphDevice& device)
      : handle(device.handle), parts(shape.parts) {
    make(shape, device);
  }
  Inside(const ConvolutionShape& shape, const GraphDevice& device) : handle(device.handle) {
    make(shape, device);
  }

  template <class Shape>
  void make(const Shape& shape, const GraphDevice& device) {
    graph.set_io_data_type(fe::DataType_t::BFLOAT16)
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT)
        .set_sm_version(device.capability);
    if (handle == nullptr) {
      const auto properties = described(device.properties);
      if (properties == nullptr) {
        problem = "the library does not take this description of a GPU";
        return;
      }
      graph.set_device_properties(properties);
    }
    try {
      describe(graph, shape);
    } catch (const std::runtime_error& refusal) {  // of attention for which it has no engine at all
      problem = refusal.what();
      return;
    }
    if (!passed(graph.validate()) || !passed(graph.build_operation_graph(handle)) ||
        !passed(graph.create_execution_plans({fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK}))) {
      return;
    }
    graph.deselect_workspace_greater_than(most_workspace);
    if (passed(graph.check_support())) {
      candidates = static_cast<int>(graph.get_execution_plan_count());
    }
  }

  bool passed(fe::error_t status) {
    if (status.is_bad()) problem = status.get_message();
    return status.is_good();
  }

  bool run(int candidate, std::unordered_map<std::int64_t, void*>& tensors, void* workspace) const {
    return graph.execute_plan_at_index(handle, tensors, workspace, candidate).is_good();
  }
};

CudnnGraph::CudnnGraph(const AttentionShape& shape, const GraphDevice& device)
    : inside_(std::make_unique<Inside>(shape, device)) {}
CudnnGraph::CudnnGraph(const ConvolutionShape& shape, const GraphDevice& device)
    : inside_(std::make_unique<Inside>(shape, device)) {}
CudnnGraph::~CudnnGraph() = default;
CudnnGraph::CudnnGraph(CudnnGraph&&) noexcept = default;
CudnnGraph& CudnnGraph::operator=(CudnnGraph&&) noexcept = default;

const std::string& CudnnGraph::problem() const { return inside_->problem; }
int CudnnGraph::candidates() const { return inside_->candidates; }

std::string CudnnGraph::name(int candidate) const {
  std::string name;
  return inside_->graph.get_plan_name_at_index(candidate, name).is_good() ? name : std::string();
}

bool CudnnGraph::build(int candidate) {
  return inside_->graph.build_plan_at_index(candidate).is_good();
}

std::size_t CudnnGraph::workspace_bytes(int candidate) const {
  std::int64_t bytes = 0;
  const auto status = inside_->graph.get_workspace_size_plan_at_index(candidate, bytes);
  return status.is_good() && bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

// The library takes pointers to what it only reads as pointers that may be written through.
bool CudnnGraph::run(int candidate, const AttentionTensors& tensors, void* workspace) const {
  std::unordered_map<std::int64_t, void*> by_uid{{uid_first, const_cast<void*>(tensors.q)},
                                                 {uid_second, const_cast<void*>(tensors.k)},
                                                 {uid_third, const_cast<void*>(tensors.v)},
                                                 {uid_bias, const_cast<void*>(tensors.bias)},
                                                 {uid_result, tensors.y},
                                                 {uid_lse, tensors.lse}};
  if (tensors.lengths != nullptr) {
    auto* const lengths = const_cast<std::int32_t*>(tensors.lengths);
    by_uid[uid_query_lengths] = lengths;
    by_uid[uid_key_lengths] = lengths + inside_->parts;
  }
  return inside_->run(candidate, by_uid, workspace);
}

bool CudnnGraph::run(int candidate, const ConvolutionTensors& tensors, void* workspace) const {
  std::unordered_map<std::int64_t, void*> by_uid{{uid_first, const_cast<void*>(tensors.x)},
                                                 {uid_second, const_cast<void*>(tensors.weight)},
                                                 {uid_bias, const_cast<void*>(tensors.bias)},
                                                 {uid_result, tensors.y}};
  return inside_->run(candidate, by_uid, workspace);
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
