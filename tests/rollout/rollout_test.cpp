// Whole videos on job groups of several sizes: order of events, counts of passes, failures,
// repeatability.
#include "rollout/rollout.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "rollout/rollout_cases.hpp"
#include "support/mpi_test_main.hpp"
#include "support/yuv420p_oracle.hpp"

namespace causeway::testing {
namespace {

/// Keeps what arrives, and in which order.
class Recorder final : public VideoSink {
 public:
  void latents(const ChunkSpan& span, ConstView chunk) override {
    events += "L" + std::to_string(span.first_frame) + " ";
    const auto* values = static_cast<const float*>(chunk.data);
    values_.insert(values_.end(), values, values + chunk.size());
    if (span.first_frame == fail_at) throw Error(ExitCode::output, "the disk is full");
  }
  void frames(ConstView yuv420p) override {
    events += "f" + std::to_string(yuv420p.shape[0]) + " ";
    const auto* planes = static_cast<const std::uint8_t*>(yuv420p.data);
    planes_.insert(planes_.end(), planes, planes + yuv420p.size());
  }

  const std::vector<float>& values() const { return values_; }
  const std::vector<std::uint8_t>& planes() const { return planes_; }
  std::string events;
  std::int64_t fail_at = -1;

 private:
  std::vector<float> values_;
  std::vector<std::uint8_t> planes_;
};

class RolloutOnAGroup : public ::testing::Test {
 protected:
  RolloutOnAGroup()
      : model_(tiny_checkpoint, "", ElementType::f32, open_backend(false)),
        group_(process().split(0)) {}
  bool root() const { return group_->rank() == 0; }

  Model model_;
  std::unique_ptr<Communicator> group_;
  Recorder recorder_;
};

TEST_F(RolloutOnAGroup, TheFramesOfAChunkArriveBeforeTheNextChunkAndNoRefreshFollowsTheLast) {
  Rollout rollout(model_, *group_, {});
  const VideoReport report = rollout.make(small_request(6), root() ? &recorder_ : nullptr);
  if (root()) {
    EXPECT_EQ(recorder_.events, "L0 f1 f4 f4 L3 f4 f4 f4 ");
  }
  EXPECT_EQ(report.passes, 2 * 4 + 1);
  EXPECT_GT(report.kv_bytes, 0);
  if (root()) {
    EXPECT_GT(report.first_frame, 0.0);
    EXPECT_LT(report.first_frame, report.total);
  }
}

TEST_F(RolloutOnAGroup, TheFramesAreThoseOfTheDecoderAsPlanes) {
  Rollout rollout(model_, *group_, {});
  const VideoRequest wanted = small_request(3);
  rollout.make(wanted, root() ? &recorder_ : nullptr);
  if (!root()) return;
  std::vector<double> expected;
  VaeDecoder& decoder = model_.vae_decoder();
  decoder.begin(wanted.latent_height, wanted.latent_width);
  const ConstView latents =
      const_view_of(recorder_.values().data(), ElementType::f32,
                    {16, wanted.latent_frames, wanted.latent_height, wanted.latent_width});
  decoder.decode(latents, [&](ConstView frames) {
    const std::int64_t frame = frames.size() / frames.shape[0];
    for (std::int64_t first = 0; first < frames.size(); first += frame) {
      const auto planes = yuv420p_of_frame(static_cast<const float*>(frames.data) + first, 0,
                                           frames.shape[1], frames.shape[2]);
      expected.insert(expected.end(), planes.begin(), planes.end());
    }
  });
  decoder.end();
  ASSERT_EQ(expected.size(), 9u * 32 * 48 / 2 * 3);
  ASSERT_EQ(recorder_.planes().size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(recorder_.planes()[i], expected[i], 0.501) << i;
}

TEST_F(RolloutOnAGroup, TheExchangedBytesAreThoseOfTheFormula) {
  Rollout rollout(model_, *group_, {});
  const VideoReport report = rollout.make(small_request(6), root() ? &recorder_ : nullptr);
  const auto& config = model_.transformer_config();
  const std::int64_t tokens = 3 * 2 * 3;
  const std::int64_t layer = bytes_sent_per_layer(group_->size(), group_->rank(), config.heads,
                                                  config.head_dim(), tokens, 4);
  const ChunkLayout layout(RankGrid(group_->size(), group_->rank(), config.heads), tokens,
                           config.head_dim(), 4);
  std::int64_t keys_and_values = 0;
  for (const auto bytes : layout.key_value().send_bytes) keys_and_values += bytes;
  // Eight full passes, and one refresh that ends after the last layer's keys and values.
  EXPECT_EQ(report.exchanged_bytes,
            (8 * config.layers + config.layers - 1) * layer + keys_and_values);
}

TEST_F(RolloutOnAGroup, TheSameRequestGivesTheSameBitsAndAnotherSampleOthers) {
  Rollout rollout(model_, *group_, {});
  Recorder again, other;
  rollout.make(small_request(6), root() ? &recorder_ : nullptr);
  rollout.make(small_request(6, 2), root() ? &other : nullptr);
  rollout.make(small_request(6), root() ? &again : nullptr);
  if (!root()) return;
  EXPECT_EQ(recorder_.values(), again.values());
  EXPECT_NE(recorder_.values(), other.values());
}

TEST_F(RolloutOnAGroup, ALongVideoBeginsLikeAShortOne) {
  Rollout rollout(model_, *group_, {});
  Recorder longer;
  rollout.make(small_request(3), root() ? &recorder_ : nullptr);
  rollout.make(small_request(9), root() ? &longer : nullptr);
  if (!root()) return;
  const auto& first = recorder_.values();
  EXPECT_TRUE(std::equal(first.begin(), first.end(), longer.values().begin()));
}

TEST_F(RolloutOnAGroup, AFailingSinkEndsTheVideoOnAllRanksAndTheGroupGoesOn) {
  Rollout rollout(model_, *group_, {});
  Recorder failing, after;
  failing.fail_at = 3;
  rollout.make(small_request(6), root() ? &recorder_ : nullptr);
  try {
    rollout.make(small_request(9), root() ? &failing : nullptr);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const VideoFailed& error) {
    if (root()) {
      EXPECT_EQ(error.code(), ExitCode::output);
      EXPECT_STREQ(error.what(), "the disk is full");
    }
  }
  rollout.make(small_request(6), root() ? &after : nullptr);
  if (root()) {
    EXPECT_EQ(recorder_.values(), after.values());
  }
}

TEST_F(RolloutOnAGroup, AVideoThatNoMemoryHoldsFailsOnAllRanksAndTheGroupGoesOn) {
  Rollout rollout(model_, *group_, {});
  VideoRequest huge = small_request(3);
  huge.latent_height = std::int64_t{1} << 40;
  try {
    rollout.make(huge, root() ? &recorder_ : nullptr);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const VideoFailed& error) {
    EXPECT_EQ(error.code(), ExitCode::device);
    if (root()) {
      EXPECT_NE(std::string(error.what()).find("out of memory"), std::string::npos);
    }
  }
  rollout.make(small_request(3), root() ? &recorder_ : nullptr);
  if (root()) {
    EXPECT_EQ(recorder_.events, "L0 f1 f4 f4 ");
  }
}

TEST_F(RolloutOnAGroup, AnotherPromptFromTheSecondChunkOnChangesThatChunkOnly) {
  Rollout rollout(model_, *group_, {});
  Recorder switched;
  VideoRequest story = small_request(6);
  story.prompts.push_back({1, "a dog on the moon"});
  rollout.make(small_request(6), root() ? &recorder_ : nullptr);
  rollout.make(story, root() ? &switched : nullptr);
  if (!root()) return;
  const auto half = static_cast<std::ptrdiff_t>(recorder_.values().size() / 2);
  EXPECT_TRUE(std::equal(recorder_.values().begin(), recorder_.values().begin() + half,
                         switched.values().begin()));
  EXPECT_FALSE(std::equal(recorder_.values().begin() + half, recorder_.values().end(),
                          switched.values().begin() + half));
}

TEST_F(RolloutOnAGroup, GivenLatentsAreKeptAndTheVideoGoesOnFromThem) {
  Rollout rollout(model_, *group_, {});
  rollout.make(small_request(6), root() ? &recorder_ : nullptr);
  Recorder extended;
  VideoRequest more = small_request(6);
  more.initial_frames = 3;
  if (root()) more.initial_latents = recorder_.values().data();
  const VideoReport report = rollout.make(more, root() ? &extended : nullptr);
  EXPECT_EQ(report.passes, 1 + 4);
  // One prefill pass at timestep 0 leaves what the refresh left: the second chunk has the same
  // bits.
  if (root()) {
    EXPECT_EQ(extended.events, "L0 f1 f4 f4 L3 f4 f4 f4 ");
    EXPECT_EQ(extended.values(), recorder_.values());
  }
}

}  // namespace
}  // namespace causeway::testing
