// Attention by cuDNN, whole or in parts of its keys that are merged, whichever is faster.
#pragma once

#include <optional>

#include "kernels/cudnn_choices.hpp"
#include "kernels/cudnn_plan.hpp"
#include "kernels/cudnn_trial.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

/// Attention in shape.parts parts.
class CudnnAttention {
 public:
  CudnnAttention(const AttentionShape& shape, const GraphDevice& device)
      : shape_(shape), plan_(shape, device) {}

  CudnnPlan& plan() { return plan_; }
  const AttentionShape& shape() const { return shape_; }

  /// Bytes that a plan that was built works in, with what it gives of each part.
  std::size_t workspace_bytes() const;
  /// Starts it; `tensors.y` is that of the whole. The first call on a stream allocates a little.
  bool run(AttentionTensors tensors, void* workspace, cudaStream_t stream);

 private:
  bool make_lengths(cudaStream_t stream);

  AttentionShape shape_;
  CudnnPlan plan_;
  Block lengths_;  ///< of the parts, where one is shorter
  bool has_lengths_ = false;
};

/// Where attention is planned: the device, what is known of it, and a stream with its workspace.
struct AttentionPlace {
  const GraphDevice& device;
  int multiprocessors = 0;
  CudnnChoices& choices;
  Block& workspace;
  cudaStream_t stream = nullptr;
};

/// What was written down; else the fastest of some part counts and all their plans, which are tried
/// with these tensors and a y of their own and have to give what the plain kernel gives; else,
/// where there is no memory to try anything, the likeliest. With a bias it is the likeliest: each
/// prompt has another number of keys, and plans take long to make. Nothing where the library has no
/// plan, or none that is right.
std::optional<CudnnAttention> planned_attention(const AttentionShape& shape,
                                                const AttentionTensors& tensors,
                                                const AttentionPlace& place);
/// The same without parts, for want of the memory that they take; what was written down stays.
std::optional<CudnnAttention> planned_whole_attention(const AttentionShape& shape,
                                                      const AttentionTensors& tensors,
                                                      const AttentionPlace& place);

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
