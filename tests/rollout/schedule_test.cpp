// The few-step schedule against published numbers, and how frames fall into chunks.
#include "rollout/schedule.hpp"

#include <gtest/gtest.h>

#include "checkpoint/checkpoint.hpp"
#include "rollout/rollout.hpp"

namespace causeway {
namespace {

TEST(Schedule, HasThePublishedNoiseLevelsForShiftFive) {
  const auto sigmas = shifted_sigmas(5.0);
  ASSERT_EQ(sigmas.size(), 1000u);
  EXPECT_EQ(sigmas[0], 1.0f);
  EXPECT_EQ(sigmas[250], 0.9375f);
  EXPECT_FLOAT_EQ(sigmas[500], 0.8333333134651184f);
  EXPECT_EQ(sigmas[750], 0.625f);
  EXPECT_FLOAT_EQ(sigmas[999], 0.004980080295354128f);
}

TEST(Schedule, EqualsTheGridsThatNumpyMade) {
  const auto grids = open_tensor_file(std::string(CAUSEWAY_SOURCE_DIR) +
                                      "/tests/golden/oracle/oracle_schedule.safetensors");
  for (const double shift : {5.0, 8.0}) {
    const auto& expected =
        grids->at("sigma_shift" + std::to_string(static_cast<int>(shift)), {1000});
    const auto* values = static_cast<const float*>(contiguous(expected).view.data);
    const auto sigmas = shifted_sigmas(shift);
    for (std::size_t k = 0; k < sigmas.size(); ++k) EXPECT_NEAR(sigmas[k], values[k], 1.2e-7f) << k;
  }
}

TEST(Schedule, WarpsTheFourPublishedSteps) {
  const auto steps = denoising_schedule({1000, 750, 500, 250}, true, 5.0);
  ASSERT_EQ(steps.size(), 4u);
  EXPECT_EQ(steps[0].timestep, 1000.0f);
  EXPECT_EQ(steps[1].timestep, 937.5f);
  EXPECT_FLOAT_EQ(steps[2].timestep, 833.33331298828125f);
  EXPECT_EQ(steps[3].timestep, 625.0f);
  EXPECT_EQ(steps[0].sigma, 1.0f);
  EXPECT_EQ(1.0f - steps[1].sigma, 0.0625f);
  EXPECT_FLOAT_EQ(1.0f - steps[2].sigma, 0.1666666865348816f);
  EXPECT_EQ(1.0f - steps[3].sigma, 0.375f);
}

TEST(Schedule, ShiftEightAndUnwarpedStepsFollowTheirOwnGrid) {
  const auto steps = denoising_schedule({1000, 750, 500, 250}, true, 8.0);
  EXPECT_EQ(steps[1].timestep, 960.0f);
  EXPECT_NEAR(steps[2].timestep, 888.8889f, 1e-3);
  EXPECT_NEAR(steps[3].timestep, 727.2728f, 1e-3);
  const auto plain = denoising_schedule({750}, false, 5.0);
  EXPECT_EQ(plain[0].timestep, 750.0f);
  EXPECT_NEAR(plain[0].sigma, 0.75f, 0.001f) << "the level of the nearest timestep of the grid";
}

TEST(ChunkSpans, CoverAllFramesOnce) {
  RolloutSettings settings;
  auto spans = chunk_spans(21, settings);
  ASSERT_EQ(spans.size(), 7u);
  EXPECT_EQ(spans[6].first_frame, 18);
  EXPECT_EQ(spans[6].frames, 3);
  settings.independent_first_frame = true;
  spans = chunk_spans(7, settings);
  ASSERT_EQ(spans.size(), 3u);
  EXPECT_EQ(spans[0].frames, 1);
  EXPECT_EQ(spans[1].first_frame, 1);
  EXPECT_THROW(chunk_spans(21, settings), Error);
}

}  // namespace
}  // namespace causeway
