// What tests may know of the stand-in for cuDNN.
#pragma once

#include <cstdint>

namespace causeway::testing {

/// The plans of the stand-in, in the order in which it offers them; it has none for convolutions of
/// five channels and for attention over five keys.
enum CudnnOnHostPlan { plan_that_fails = 0, slow_plan = 1, fast_plan = 2 };

/// How often it has run one of them.
int cudnn_on_host_runs(int plan);

/// What can be wrong with its attention: parts weigh what they do not; the rows of the last query
/// are wrong; the fast plan writes nothing.
enum class AttentionFlaw { weights, last_query, nothing_written };
constexpr std::int64_t any_parts = -1;

/// What its attention is like while one exists: in which number of parts it is fastest, and in
/// which it is faster still, but wrong.
struct AttentionOnHost {
  AttentionOnHost(std::int64_t fastest, std::int64_t wrong = 0,
                  AttentionFlaw flaw = AttentionFlaw::weights);
  ~AttentionOnHost();
  AttentionOnHost(const AttentionOnHost&) = delete;
  AttentionOnHost& operator=(const AttentionOnHost&) = delete;
};

/// Graphs of attention in so many parts that it has been asked for.
int cudnn_on_host_attentions(std::int64_t parts);

/// Handles that there are now. A handle takes any stream but the one of this name, which it cannot
/// work on.
int cudnn_on_host_handles();
constexpr std::uintptr_t stream_without_cudnn = 5;

/// Graphs of convolutions that there are now.
int cudnn_on_host_convolutions();

}  // namespace causeway::testing
