// The kernels' code for cuDNN against a stand-in for it: what reaches the library, what stays
// plain, and which plan is kept.
#include "support/cudnn_on_host/cudnn_on_host.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/library_cases.hpp"
#include "kernels/on_host.hpp"
#include "support/compare.hpp"
#include "support/cublaslt_on_host/cublaslt_on_host.hpp"
#include "support/cuda_on_host/cuda_on_host.hpp"
#include "support/cuda_on_host/streams_on_host.hpp"

namespace causeway::testing {
namespace {

using namespace causeway::kernels;

constexpr double allowed = 6e-3;

class CudnnOnHost : public ::testing::Test {
 protected:
  void SetUp() override {
    if (libraries_on_host_kernels() == nullptr) GTEST_SKIP() << "no fibres here";
    set_multiprocessors_on_host(132);  // before the library asks
  }
  static const Kernels& plain() { return *cuda_on_host_kernels(); }
  static const Kernels& libraries() { return *libraries_on_host_kernels(); }
  static bool writes_down(const std::string& line) {
    return libraries().choices().find("\n" + line + "\n") != std::string::npos;
  }
  static int runs() { return cudnn_on_host_runs(slow_plan) + cudnn_on_host_runs(fast_plan); }

  /// Whether the library did it; the result must be right in any case.
  static bool by_library(const AttentionCase& c) {
    const int before = runs();
    const auto got = attend<OnHost>(libraries(), c);
    const bool by_it = runs() > before;
    EXPECT_LT(relative_l2(got, attend<OnHost>(plain(), c)), allowed);
    return by_it;
  }
  static bool by_library(const ConvolutionCase& c) {
    const int before = runs();
    const auto got = convolve<OnHost>(libraries(), c);
    const bool by_it = runs() > before;
    EXPECT_LT(relative_l2(got, convolve<OnHost>(plain(), c)), allowed);
    return by_it;
  }
};

ConvolutionCase convolution(std::int64_t in, std::int64_t out, bool has_bias = true) {
  return {in, out, {3, 3, 3}, {1, 1, 1}, {2, 1, 1}, {0, 1, 1}, {2, 5, 4}, has_bias};
}

TEST_F(CudnnOnHost, AttendsAsThePlainKernelDoes) {
  EXPECT_TRUE(by_library(AttentionCase{2, 16, 9, 33, 0.0f}));
  EXPECT_TRUE(by_library(AttentionCase{2, 16, 9, 33, 0.0f, 24})) << "gaps between the tokens";
  EXPECT_TRUE(by_library(AttentionCase{3, 48, 5, 12, 3.0f}));
  EXPECT_TRUE(by_library(AttentionCase{3, 48, 5, 12, 1.0f})) << "the same graph, another bias";
  EXPECT_TRUE(by_library(AttentionCase{1, 8, 3, 40, 2.0f})) << "a longer bias";
  EXPECT_TRUE(by_library(AttentionCase{3, 48, 5, 12, 1.0f})) << "and a shorter one again";
  EXPECT_TRUE(by_library(AttentionCase{1, 384, 1, 1, 0.0f}));
}

TEST_F(CudnnOnHost, LeavesToThePlainKernelWhatTheLibraryCannotDo) {
  EXPECT_FALSE(by_library(AttentionCase{2, 12, 3, 9, 0.0f})) << "odd heads";
  EXPECT_FALSE(by_library(AttentionCase{2, 16, 3, 9, 0.0f, 4})) << "rows at odd places";
  EXPECT_FALSE(by_library(AttentionCase{2, 16, 3, 5, 0.0f})) << "no plan";
  EXPECT_FALSE(by_library(convolution(5, 8))) << "no plan";
}

TEST_F(CudnnOnHost, TakesTheLikeliestPlanOfAttentionWithABias) {
  const int slow = cudnn_on_host_runs(slow_plan), fast = cudnn_on_host_runs(fast_plan);
  attend<OnHost>(libraries(), {2, 32, 4, 21, 1.0f});
  EXPECT_EQ(cudnn_on_host_runs(slow_plan), slow + 1);
  EXPECT_EQ(cudnn_on_host_runs(fast_plan), fast);
}

TEST_F(CudnnOnHost, KeepsTheFastestPlanOfAttention) {
  const AttentionCase c{2, 32, 4, 21, 0.0f};
  EXPECT_TRUE(by_library(c));
  const int slow = cudnn_on_host_runs(slow_plan), fast = cudnn_on_host_runs(fast_plan);
  EXPECT_GT(slow, 0) << "was tried";
  attend<OnHost>(libraries(), c);
  EXPECT_EQ(cudnn_on_host_runs(slow_plan), slow);
  EXPECT_EQ(cudnn_on_host_runs(fast_plan), fast + 1);
  EXPECT_TRUE(writes_down("attention 2 32 1 21 1/plan2"));
}

TEST_F(CudnnOnHost, SplitsTheKeysOfFewTilesWhereThatIsFaster) {
  const AttentionOnHost fastest(6);
  const int in_three = cudnn_on_host_attentions(3);
  const AttentionCase c{1, 8, 3, 1201, 0.0f};  // one tile; eight parts and six promise most
  EXPECT_TRUE(by_library(c));
  EXPECT_TRUE(writes_down("attention 1 8 1 1201 6/plan2"));
  EXPECT_EQ(cudnn_on_host_attentions(3), in_three) << "tried without promise";
  const int runs_before = runs();
  attend<OnHost>(libraries(), c);
  EXPECT_EQ(runs(), runs_before + 1);
  EXPECT_TRUE(by_library(AttentionCase{1, 8, 70, 1201, 0.0f, 16})) << "of the same tiles";
  EXPECT_EQ(runs(), runs_before + 2);
}

TEST_F(CudnnOnHost, TakesNoSplitThatIsSlowerOrWrong) {
  {
    const AttentionOnHost fastest(1);
    EXPECT_TRUE(by_library(AttentionCase{1, 8, 3, 1301, 0.0f}));
    EXPECT_TRUE(writes_down("attention 1 8 1 1301 1/plan2"));
  }
  const AttentionOnHost fast_but_wrong(6, 8);
  EXPECT_TRUE(by_library(AttentionCase{1, 8, 3, 1401, 0.0f}));
  EXPECT_TRUE(writes_down("attention 1 8 1 1401 6/plan2"));
}

TEST_F(CudnnOnHost, DoesNotMindWhatLiesBetweenTheRows) {
  EXPECT_TRUE(by_library(AttentionCase{2, 16, 9, 35, 0.0f, 24}));
  EXPECT_TRUE(writes_down("attention 2 16 1 35 1/plan2"));
}

TEST_F(CudnnOnHost, TakesNoPlanThatWritesNothing) {
  {
    const AttentionOnHost whole(1, 1, AttentionFlaw::nothing_written);
    EXPECT_TRUE(by_library(AttentionCase{1, 8, 3, 33, 0.0f}));
    EXPECT_TRUE(writes_down("attention 1 8 1 33 1/plan1")) << "the slow one";
  }
  const AttentionOnHost in_parts(6, 6, AttentionFlaw::nothing_written);
  EXPECT_TRUE(by_library(AttentionCase{1, 8, 3, 1402, 0.0f}));
  EXPECT_TRUE(writes_down("attention 1 8 1 1402 1/plan2"));
}

TEST_F(CudnnOnHost, DoesNotTakeTheLibrarysWordForWhatIsRight) {
  const AttentionOnHost whole(6, 1, AttentionFlaw::last_query);
  EXPECT_TRUE(by_library(AttentionCase{1, 8, 130, 1403, 0.0f}));  // the last tile has two queries
  EXPECT_TRUE(writes_down("attention 1 8 2 1403 6/plan2"));
}

TEST_F(CudnnOnHost, LeavesToThePlainKernelWhatNoPlanDoesRight) {
  const AttentionOnHost everywhere(6, any_parts, AttentionFlaw::last_query);
  const AttentionCase c{1, 8, 130, 1404, 0.0f};
  EXPECT_TRUE(by_library(c)) << "is tried";
  EXPECT_FALSE(by_library(c));
  EXPECT_EQ(libraries().choices().find("attention 1 8 2 1404"), std::string::npos);
}

TEST_F(CudnnOnHost, AttendsInOneWhereThereIsNoMemoryForParts) {
  const std::string line = "attention 1 8 1 1405 8/plan2";
  libraries().use_choices(libraries().choices() + line + "\n");
  const AttentionCase c{1, 8, 3, 1405, 0.0f};
  const auto right = attend<OnHost>(plain(), c);
  auto* const stream = reinterpret_cast<Stream>(std::uintptr_t{112});  // without a workspace yet
  const MemoryIsShort short_of(1024);  // bytes: 512 for a plan, 512 + 96 more for what it gives
  const int in_eight = cudnn_on_host_attentions(8);
  EXPECT_LT(relative_l2(attend<OnHost>(libraries(), c, stream), right), allowed);
  EXPECT_EQ(cudnn_on_host_attentions(8), in_eight + 1) << "was wanted";
  const int fast = cudnn_on_host_runs(fast_plan);
  EXPECT_LT(relative_l2(attend<OnHost>(libraries(), c, stream), right), allowed);
  EXPECT_EQ(cudnn_on_host_runs(fast_plan), fast + 1);
  EXPECT_TRUE(writes_down(line)) << "other streams may have the memory";
}

TEST_F(CudnnOnHost, AttendsWithoutMemoryForTrials) {
  EXPECT_TRUE(by_library(AttentionCase{1, 8, 3, 1601, 0.0f}));  // there is a workspace now
  const int slow = cudnn_on_host_runs(slow_plan), fast = cudnn_on_host_runs(fast_plan);
  const AttentionCase c{2, 64, 30, 1601, 0.0f};
  {
    const MemoryIsShort short_of(2 * 64 * 30 * 2 - 1);  // bytes of y
    EXPECT_TRUE(by_library(c));
  }
  EXPECT_EQ(cudnn_on_host_runs(slow_plan), slow + 1) << "the likeliest";
  EXPECT_EQ(cudnn_on_host_runs(fast_plan), fast);
  EXPECT_EQ(libraries().choices().find("attention 2 64 1 1601"), std::string::npos)
      << "nothing was found out";
}

TEST_F(CudnnOnHost, TakesUpTheSplitsOfEarlierRuns) {
  const std::string found = libraries().choices();
  libraries().use_choices(found +
                          "attention 1 8 1 1501 3/plan1\n"  // neither fastest nor promising
                          "attention 1 8 1 1502 nonsense\n"
                          "attention 1 8 1 1503 3/plan7\n"
                          "attention 1 8 1 1504 1504/plan1\n");
  const int slow = cudnn_on_host_runs(slow_plan), in_three = cudnn_on_host_attentions(3);
  EXPECT_TRUE(by_library(AttentionCase{1, 8, 3, 1501, 0.0f}));
  EXPECT_EQ(cudnn_on_host_runs(slow_plan), slow + 1);
  EXPECT_EQ(cudnn_on_host_attentions(3), in_three + 1);
  for (const std::int64_t keys : {1502, 1503, 1504}) {  // what cannot be done is tried anew
    EXPECT_TRUE(by_library(AttentionCase{1, 8, 3, keys, 0.0f}));
    EXPECT_TRUE(writes_down("attention 1 8 1 " + std::to_string(keys) + " 1/plan2"));
  }
}

TEST_F(CudnnOnHost, ConvolvesAsThePlainKernelDoes) {
  EXPECT_TRUE(by_library(convolution(4, 6)));
  EXPECT_TRUE(by_library(convolution(4, 6, false)));
  EXPECT_TRUE(
      by_library(ConvolutionCase{3, 8, {1, 3, 3}, {1, 2, 2}, {0, 0, 0}, {0, 1, 1}, {1, 6, 8}}));
  EXPECT_TRUE(
      by_library(ConvolutionCase{8, 3, {3, 1, 1}, {2, 1, 1}, {0, 0, 0}, {0, 0, 0}, {3, 4, 4}}));
}

TEST_F(CudnnOnHost, KeepsTheFastestPlanOfAConvolutionAndWritesItDown) {
  const ConvolutionCase c = convolution(6, 10);
  convolve<OnHost>(libraries(), c);
  int slow = cudnn_on_host_runs(slow_plan), fast = cudnn_on_host_runs(fast_plan);
  EXPECT_GT(slow, 0) << "was tried";
  convolve<OnHost>(libraries(), c);  // made anew, but known
  EXPECT_EQ(cudnn_on_host_runs(slow_plan), slow);
  EXPECT_EQ(cudnn_on_host_runs(fast_plan), fast + 1);
  const std::string line =
      "convolution 6 10 1 3 3 3 1 1 1 2 1 1 0 1 1 2 5 4 plan" + std::to_string(fast_plan) + "\n";
  const std::string found = libraries().choices();
  EXPECT_NE(found.find("cuBLASLt "), std::string::npos);
  EXPECT_NE(found.find("\ncuDNN 9.19.0 on compute capability "), std::string::npos);
  EXPECT_NE(found.find(line), std::string::npos) << found;

  // What an earlier run wrote counts, if it is of this library and device and can be read.
  std::string changed = found;
  changed.replace(changed.find(line), line.size(),
                  "convolution 6 10 1 3 3 3 1 1 1 2 1 1 0 1 1 2 5 4 plan1\nnonsense\n");
  libraries().use_choices(changed);
  convolve<OnHost>(libraries(), c);
  EXPECT_EQ(cudnn_on_host_runs(slow_plan), slow + 1) << "not tried, but taken";
  libraries().use_choices("cuDNN 9.1.0 on another GPU\n" + line);
  convolve<OnHost>(libraries(), c);
  EXPECT_EQ(cudnn_on_host_runs(slow_plan), slow + 2);
  libraries().use_choices(found);
  convolve<OnHost>(libraries(), c);
  EXPECT_EQ(cudnn_on_host_runs(fast_plan), fast + 2);
}

TEST_F(CudnnOnHost, RefusesWhatNoConvolutionTakes) {
  const Kernels& backend = libraries();
  const std::vector<float> weight(8 * 4 * 27, 0.1f);
  ConvSpec spec{4, 8, {3, 3, 3}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, ElementType::bf16};
  Conv* const conv = backend.conv_create(
      spec, const_view_of(weight.data(), ElementType::f32, {8, 4, 3, 3, 3}), {});
  ASSERT_NE(conv, nullptr);
  const OnHost x(std::vector<float>(3 * 4 * 4 * 4)), y(std::vector<float>(4 * 4 * 8));
  const auto in = const_view_of(x.data(), ElementType::bf16, {3, 4, 4, 4});
  const auto out = view_of(y.data(), ElementType::bf16, {1, 4, 4, 8});
  EXPECT_EQ(backend.conv(conv, in, out, nullptr), Status::bad_shape) << "not prepared";
  EXPECT_EQ(backend.conv_prepare(conv, 2, 4, 4, nullptr), Status::bad_shape);
  EXPECT_EQ(backend.conv_prepare(conv, 3, 4, 4, nullptr), Status::ok);
  EXPECT_EQ(backend.conv(conv, in, out, nullptr), Status::ok);
  EXPECT_EQ(backend.conv(conv, in, view_of(y.data(), ElementType::bf16, {1, 4, 8, 4}), nullptr),
            Status::bad_shape);
  EXPECT_EQ(backend.conv_bytes(conv), weight.size() * 2);
  backend.conv_destroy(conv);
}

}  // namespace
}  // namespace causeway::testing
