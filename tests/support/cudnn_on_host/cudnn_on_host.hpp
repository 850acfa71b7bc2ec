// What tests may know of the stand-in for cuDNN.
#pragma once

namespace causeway::testing {

/// The plans of the stand-in, in the order in which it offers them; it has none for convolutions of
/// five channels and for attention over five keys.
enum CudnnOnHostPlan { plan_that_fails = 0, slow_plan = 1, fast_plan = 2 };

/// How often it has run one of them.
int cudnn_on_host_runs(int plan);

/// Graphs of convolutions that there are now.
int cudnn_on_host_convolutions();

}  // namespace causeway::testing
