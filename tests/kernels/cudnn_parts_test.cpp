// Attention by cuDNN in any number of parts of its keys, compared with the plain kernel on a GPU.
#include <cuda_runtime.h>
#include <cudnn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/attention_parts.hpp"
#include "kernels/cudnn_plan.hpp"
#include "kernels/library_cases.hpp"
#include "kernels/on_device.hpp"
#include "support/compare.hpp"

namespace causeway::testing {
namespace {

using namespace causeway::kernels;
using namespace causeway::kernels::cuda;

/// The shape that the library is asked for in this case, in parts.
AttentionShape shape_of(const AttentionCase& c, std::int64_t parts) {
  const std::int64_t width = c.heads * c.head_dim + c.gap;
  return {.heads = c.heads,
          .head_dim = c.head_dim,
          .queries = c.queries,
          .keys = c.keys,
          .q_token_stride = width,
          .q_head_stride = c.head_dim,
          .y_token_stride = width,
          .y_head_stride = c.head_dim,
          .kv_head_stride = c.slots() * c.head_dim,
          .scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim)),
          .parts = parts};
}

/// Graphs differ in the names of their plans from one number of parts to another.
class CudnnParts : public LibrariesOnGpu {
 protected:
  void SetUp() override {
    LibrariesOnGpu::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    int major = 0, minor = 0;
    ASSERT_EQ(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), cudaSuccess);
    ASSERT_EQ(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0), cudaSuccess);
    ASSERT_EQ(cudnnCreate(&device_.handle), CUDNN_STATUS_SUCCESS);
    device_.capability = 10 * major + minor;
  }
  void TearDown() override {
    if (device_.handle != nullptr) cudnnDestroy(device_.handle);
  }

  /// The likeliest plan that works; empty if there is none.
  std::string plan_for(const AttentionShape& shape) const {
    CudnnPlan plan(shape, device_);
    return plan.build_first() ? plan.name() : std::string();
  }

 private:
  GraphDevice device_;
};

TEST_F(CudnnParts, AttendAsThePlainKernelDoes) {
  for (const std::int64_t keys : {4681, 4680}) {  // with a shorter part and without
    AttentionCase c{2, 128, 300, keys, 0.0f};
    c.later_keys = 2.0f;
    attend<OnDevice>(libraries(), c);
    const std::string found = libraries().choices();
    const std::size_t at = found.find("cuDNN ");
    ASSERT_NE(at, std::string::npos) << found;
    const std::string header = found.substr(at, found.find('\n', at) - at);
    for (const int parts : {1, 2, 3, 4, 6, 8}) {
      c.gap = 8 * parts;  // so that its graph has not been met yet
      ASSERT_TRUE(can_be_split(shape_of(c, parts)));
      const std::string plan = plan_for(shape_of(c, parts));
      if (plan.empty()) {
        EXPECT_TRUE(parts != 1 && parts != 2 && parts != 4) << "no plan for " << parts << " parts";
        continue;
      }
      const std::string line = "attention 2 128 3 " + std::to_string(keys) + ' ' +
                               std::to_string(parts) + '/' + plan + '\n';
      libraries().use_choices(header + '\n' + line);  // as an earlier run would have found out
      EXPECT_LT(relative_l2(attend<OnDevice>(libraries(), c), attend<OnDevice>(plain(), c)), 6e-3)
          << keys << " keys in " << parts << " parts";
      EXPECT_NE(libraries().choices().find(line), std::string::npos)
          << plan << " was not possible in " << parts << " parts";
    }
  }
}

}  // namespace
}  // namespace causeway::testing
