// What is told of GPUs that have no room.
#include "batch/memory_check.hpp"

#include <gtest/gtest.h>

#include "support/mpi_test_main.hpp"

namespace causeway::testing {
namespace {

TEST(MemoryCheck, KnowsThePlanOfEveryRank) {
  auto& world = process().world();
  MemoryPlan own;
  own.weights = 10 + world.rank();
  own.total = std::int64_t{1} << (33 + world.rank());
  const auto plans = gather_plans(world, own);
  ASSERT_EQ(plans.size(), static_cast<std::size_t>(world.size()));
  for (int rank = 0; rank < world.size(); ++rank) {
    EXPECT_EQ(plans[static_cast<std::size_t>(rank)].weights, 10 + rank);
    EXPECT_EQ(plans[static_cast<std::size_t>(rank)].total, std::int64_t{1} << (33 + rank));
  }
}

constexpr std::int64_t gibibyte = std::int64_t{1} << 30;

Place place(int rank, const char* gpu) {
  Place at{rank, 0, rank, 1, "n02"};
  at.device = "NVIDIA H200";
  at.device_id = gpu;
  at.device_bytes = 140 * gibibyte;
  at.device_free = 139 * gibibyte - rank;
  return at;
}

TEST(TextWeightsChoice, StayOnGpusThatHaveRoomUnlessAskedOtherwise) {
  const std::vector<Place> places{place(0, "a"), place(1, "b")};
  MemoryPlan fits, large;
  fits.total = 100 * gibibyte;
  large.total = 138 * gibibyte;
  using Kind = TextWeightsKind;
  EXPECT_EQ(choose_text_weights(Kind::automatic, places, {fits, fits}), TextWeights::resident);
  EXPECT_EQ(choose_text_weights(Kind::automatic, places, {fits, large}), TextWeights::streamed);
  EXPECT_EQ(choose_text_weights(Kind::resident, places, {large, large}), TextWeights::resident);
  EXPECT_EQ(choose_text_weights(Kind::streamed, places, {fits, fits}), TextWeights::streamed);
}

TEST(MemoryProblem, NamesTheRanksOfAGpuThatHasNoRoomForThem) {
  MemoryPlan plan;
  plan.weights = 20 * gibibyte;
  plan.kv_cache = 40 * gibibyte;
  plan.window = gibibyte;
  plan.total = 70 * gibibyte;
  EXPECT_EQ(memory_problem({place(0, "a"), place(1, "b")}, {plan, plan}), "");
  EXPECT_EQ(memory_problem({place(0, "a"), place(1, "a"), place(2, "b")}, {plan, plan, plan}),
            "out of GPU memory before the start: ranks 0, 1 on n02 would hold 140.0 GiB: weights "
            "40.0 GiB, KV cache 80.0 GiB, prompts 0.0 GiB, chunk 0.0 GiB, VAE cache 0.0 GiB, "
            "exchanges 2.0 GiB, passing 18.0 GiB, and 6.0 GiB for libraries; 139.0 GiB of NVIDIA "
            "H200's 140.0 GiB are "
            "free; use a smaller video, a shorter window (rollout.window_frames) or more ranks per "
            "job group (parallel.group_size), or fewer ranks on a GPU");
  plan.total = 150 * gibibyte;
  const auto text = memory_problem({place(0, "a"), place(1, "b")}, {MemoryPlan{}, plan});
  EXPECT_NE(text.find("rank 1 on n02 would hold 150.0 GiB"), std::string::npos) << text;
  plan.total = 136 * gibibyte;  // with the reserve, all that is free
  EXPECT_EQ(memory_problem({place(0, "a")}, {plan}), "");
  EXPECT_NE(memory_problem({place(1, "a")}, {plan}), "") << "a byte less is free there";
  EXPECT_EQ(memory_problem({Place{}}, {plan}), "") << "a CPU has no GPU memory";
}

}  // namespace
}  // namespace causeway::testing
