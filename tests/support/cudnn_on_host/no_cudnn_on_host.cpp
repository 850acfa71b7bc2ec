// Stands in for the stand-in where the CUDA kernels cannot run on the host.
#include "support/cudnn_on_host/cudnn_on_host.hpp"

namespace causeway::testing {

AttentionOnHost::AttentionOnHost(std::int64_t, std::int64_t, AttentionFlaw) {}
AttentionOnHost::~AttentionOnHost() = default;
int cudnn_on_host_attentions(std::int64_t) { return 0; }
int cudnn_on_host_runs(int) { return 0; }
int cudnn_on_host_handles() { return 0; }
int cudnn_on_host_convolutions() { return 0; }

}  // namespace causeway::testing
