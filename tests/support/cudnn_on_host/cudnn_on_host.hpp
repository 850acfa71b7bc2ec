// What tests may know of the stand-in for cuDNN.
#pragma once

#include <cstdint>

namespace causeway::testing {

/// The plans of the stand-in, in the order in which it offers them; it has none for convolutions of
/// five channels and for attention over five keys.
enum CudnnOnHostPlan { plan_that_fails = 0, slow_plan = 1, fast_plan = 2 };

/// How often it has run one of them.
int cudnn_on_host_runs(int plan);

/// What its attention is like while one exists: in which number of parts it is fastest, and in
/// which it is faster still, but wrong.
struct AttentionOnHost {
  AttentionOnHost(std::int64_t fastest, std::int64_t wrong = 0);
  ~AttentionOnHost();
  AttentionOnHost(const AttentionOnHost&) = delete;
  AttentionOnHost& operator=(const AttentionOnHost&) = delete;
};

/// Graphs of attention in so many parts that it has been asked for.
int cudnn_on_host_attentions(std::int64_t parts);

/// Graphs of convolutions that there are now.
int cudnn_on_host_convolutions();

}  // namespace causeway::testing
