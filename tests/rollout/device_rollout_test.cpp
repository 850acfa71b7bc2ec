// Whole videos with the CUDA kernels, over memory that the host may not touch, on job groups of
// several sizes.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <future>
#include <thread>

#include "comm/device_comm.hpp"
#include "rollout/rollout_cases.hpp"
#include "support/compare.hpp"
#include "support/cuda_ipc_on_host/cuda_ipc_on_host.hpp"
#include "support/device_on_host/device_on_host.hpp"
#include "support/mpi_test_main.hpp"
#include "support/nccl_on_host/nccl_on_host.hpp"

namespace causeway::testing {
namespace {

class Recorder final : public VideoSink {
 public:
  void latents(const ChunkSpan&, ConstView chunk) override {
    const auto* values = static_cast<const float*>(chunk.data);
    latent.insert(latent.end(), values, values + chunk.size());
  }
  void frames(ConstView yuv420p) override {
    const auto* values = static_cast<const std::uint8_t*>(yuv420p.data);
    planes.insert(planes.end(), values, values + yuv420p.size());
    handed_over_by = std::this_thread::get_id();
  }
  std::vector<float> latent, planes;
  std::thread::id handed_over_by;
};

/// What the root of `group` gets.
Recorder make(const Ops& ops, ElementType compute, Communicator& group, const VideoRequest& wanted,
              const RolloutSettings& settings) {
  Model model(tiny_checkpoint, "", compute, ops);
  Rollout rollout(model, group, settings);
  Recorder recorder;
  rollout.make(wanted, group.rank() == 0 ? &recorder : nullptr);
  return recorder;
}

class DeviceRollout : public ::testing::TestWithParam<ElementType> {
 protected:
  void SetUp() override {
    if (device_on_host() == nullptr) GTEST_SKIP() << "fibres cannot be used in this build";
  }
  enum class Way { host, nccl, peer };
  /// The group whose exchanges move the device's memory: by way of the host, or by the code for
  /// NCCL or for peer copies.
  std::unique_ptr<Communicator> devices(Way way) {
    Memory& memory = device_on_host()->memory();
    if (way == Way::peer) return peers_on_host(process());
    return way == Way::nccl ? nccl_on_host(process(), memory)
                            : make_staged_communicator(process().split(0), memory);
  }
  std::unique_ptr<Communicator> group_ = process().split(0);
};
INSTANTIATE_TEST_SUITE_P(Types, DeviceRollout,
                         ::testing::Values(ElementType::f32, ElementType::bf16),
                         [](const auto& type) { return std::string(name_of(type.param)); });

/// What does not depend on the type: videos of short chunks, after a first one.
class DeviceFrames : public DeviceRollout {
 protected:
  static RolloutSettings short_chunks() {
    RolloutSettings settings;
    settings.denoising_steps = {1000};
    settings.chunk_frames = 1;
    return settings;
  }
  /// One rank alone that has made a video of two chunks.
  struct Maker {
    explicit Maker(ElementType compute) : model(tiny_checkpoint, "", compute, *device_on_host()) {
      rollout.make(small_request(2), &first);
    }
    Model model;
    std::unique_ptr<Communicator> alone = make_solo_communicator();
    Rollout rollout{model, *alone, short_chunks()};
    Recorder first;
  };
};
INSTANTIATE_TEST_SUITE_P(Types, DeviceFrames, ::testing::Values(ElementType::f32),
                         [](const auto& type) { return std::string(name_of(type.param)); });

TEST_P(DeviceRollout, AVideoIsThatOfTheCpuBackend) {
  RolloutSettings settings;
  settings.denoising_steps = {1000, 500};
  const auto wanted = small_request(3);
  const Recorder device =
      make(*device_on_host(), GetParam(), *devices(Way::host), wanted, settings);
  const Recorder host = make(Ops(*kernels::cpu_kernels()), GetParam(), *group_, wanted, settings);
  if (group_->rank() != 0) return;
  const bool exact = GetParam() == ElementType::f32;
  ASSERT_EQ(device.latent.size(), host.latent.size());
  EXPECT_LT(relative_l2(device.latent, host.latent), exact ? 2e-5 : 2e-2);
  ASSERT_EQ(device.planes.size(), host.planes.size());
  EXPECT_LT(relative_l2(device.planes, host.planes), exact ? 2e-3 : 2e-2);
}

TEST_P(DeviceRollout, AGroupGivesTheBitsOfOneRankAlsoWhereTheWindowRolls) {
  RolloutSettings settings;
  settings.denoising_steps = {1000, 500};
  settings.window_frames = 4;
  settings.sink_frames = 1;
  settings.decode = false;
  std::vector<Recorder> together;
  for (const Way way : {Way::host, Way::nccl, Way::peer}) {
    together.push_back(
        make(*device_on_host(), GetParam(), *devices(way), small_request(9), settings));
  }
  if (group_->rank() != 0) return;
  const auto alone = make_solo_communicator();
  const Recorder one = make(*device_on_host(), GetParam(), *alone, small_request(9), settings);
  for (const Recorder& ours : together) EXPECT_EQ(ours.latent, one.latent);
}

TEST_P(DeviceRollout, AVideoGoesOnFromGivenLatents) {
  RolloutSettings settings;
  settings.denoising_steps = {1000};
  settings.decode = false;
  auto wanted = small_request(6);
  const std::vector<float> given = random_normal(16 * 3 * 4 * 6, 5);
  wanted.initial_frames = 3;
  wanted.initial_latents = given.data();
  const Recorder device =
      make(*device_on_host(), GetParam(), *devices(Way::host), wanted, settings);
  const Recorder host = make(Ops(*kernels::cpu_kernels()), GetParam(), *group_, wanted, settings);
  if (group_->rank() != 0) return;
  ASSERT_EQ(device.latent.size(), host.latent.size());
  EXPECT_EQ(std::memcmp(device.latent.data(), given.data(), given.size() * sizeof(float)), 0);
  EXPECT_LT(relative_l2(device.latent, host.latent), GetParam() == ElementType::f32 ? 2e-5 : 2e-2);
}

TEST_P(DeviceRollout, ARankWithoutRoomFailsTheVideoOnAllAndTheNextOneIsMade) {
  RolloutSettings settings;
  settings.denoising_steps = {1000};
  settings.decode = false;
  const auto group = devices(Way::peer);
  Model model(tiny_checkpoint, "", GetParam(), *device_on_host());
  model.transformer();
  Rollout rollout(model, *group, settings);
  {  // What the model keeps for ever comes first.
    Recorder nowhere;
    Rollout(model, *group, settings)
        .make(small_request(3), group->rank() == 0 ? &nowhere : nullptr);
  }
  Memory& memory = device_on_host()->memory();
  const std::size_t before = memory.bytes_in_use();
  const bool last = group->rank() == group->size() - 1;
  Recorder recorder;
  VideoSink* sink = group->rank() == 0 ? &recorder : nullptr;
  const auto made = [&] {
    try {
      rollout.make(small_request(3), sink);
    } catch (const VideoFailed& error) {
      EXPECT_EQ(error.code(), ExitCode::device);
      if (sink != nullptr) {
        EXPECT_NE(std::string(error.what()).find("has no"), std::string::npos) << error.what();
      }
      return false;
    }
    return true;
  };
  // Room for more and more: it runs out in the cache, the passes' buffers, the prompt's context.
  int failures = 0;
  for (std::size_t room = 1; failures < 1000; room += 4000, ++failures) {
    if (last) limit_device_on_host(room);
    const bool done = made();
    limit_device_on_host(0);
    if (done) break;
  }
  EXPECT_GE(failures, 3);
  EXPECT_LT(failures, 1000);
  // What a video leaves behind is the same as without failures before it.
  const std::size_t held = memory.bytes_in_use() - before;
  Rollout fresh(model, *group, settings);
  const std::size_t again = memory.bytes_in_use();
  fresh.make(small_request(3), sink);
  EXPECT_EQ(memory.bytes_in_use() - again, held);
  if (sink != nullptr) {
    EXPECT_EQ(recorder.latent.size() % (16u * 3 * 4 * 6), 0u);
  }
}

/// Takes its time with the first frames: until the latents of the next chunk are there.
class Patient final : public VideoSink {
 public:
  void latents(const ChunkSpan& span, ConstView) override {
    if (span.first_frame > 0) next_chunk_.set_value();
  }
  void frames(ConstView yuv420p) override {
    if (count == 0) {
      was_beside = next_.wait_for(std::chrono::seconds(60)) == std::future_status::ready;
    }
    count += yuv420p.shape[0];
  }
  std::int64_t count = 0;
  bool was_beside = false;

 private:
  std::promise<void> next_chunk_;
  std::future<void> next_ = next_chunk_.get_future();
};

TEST_P(DeviceFrames, AreDecodedAndHandedOutBesideThePassesThatComeNext) {
  if (group_->rank() != 0) return;
  Maker maker(GetParam());  // the first one of a size tries algorithms, undisturbed
  EXPECT_EQ(maker.first.handed_over_by, std::this_thread::get_id());
  Patient patient;
  const VideoReport report = maker.rollout.make(small_request(2), &patient);
  EXPECT_TRUE(patient.was_beside);
  EXPECT_EQ(patient.count, maker.model.vae_config().frames(2));
  ASSERT_EQ(report.chunks.size(), 2u);
  for (const ChunkReport& chunk : report.chunks) EXPECT_GT(chunk.decode, 0);
  EXPECT_GT(report.first_frame, report.chunks[0].denoise);
}

TEST_P(DeviceFrames, OfALaterVideoTakeNoMemoryAndTheHostWaitsTwiceAChunk) {
  if (group_->rank() != 0) return;
  Maker maker(GetParam());
  const DeviceCalls before = calls_of_device_on_host();
  Recorder recorder;
  maker.rollout.make(small_request(2, 7), &recorder);
  const DeviceCalls after = calls_of_device_on_host();
  EXPECT_EQ(after.allocations, before.allocations);
  EXPECT_EQ(after.waits - before.waits, 3);  // after denoising, and after a refresh
}

/// Is slow with frames, and notes how many it had when the second chunk's latents came.
class Slow final : public VideoSink {
 public:
  void latents(const ChunkSpan& span, ConstView) override {
    if (span.first_frame == 1) frames_before = count.load();
  }
  void frames(ConstView yuv420p) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    count += yuv420p.shape[0];
  }
  std::atomic<std::int64_t> count = 0;
  std::int64_t frames_before = -1;
};

TEST_P(DeviceFrames, AreOutBeforeAnotherPromptIsEncoded) {
  if (group_->rank() != 0) return;
  Maker maker(GetParam());
  auto request = small_request(2);
  request.prompts.push_back({1, "a dog"});
  Slow slow;
  maker.rollout.make(request, &slow);
  EXPECT_EQ(slow.frames_before, 1);  // what is tried for its length must run alone
  EXPECT_EQ(slow.count, maker.model.vae_config().frames(2));
}

/// Fails with some frames, and counts how often it is called.
class Failing final : public VideoSink {
 public:
  explicit Failing(int good_calls) : good_calls_(good_calls) {}
  void latents(const ChunkSpan&, ConstView) override {}
  void frames(ConstView) override {
    if (calls++ == good_calls_) fail(ExitCode::output, "the disk is full");
  }
  int calls = 0;

 private:
  int good_calls_;
};

TEST_P(DeviceFrames, ASinkThatFailsBesideFailsItsVideoOnAllAndTheNextOneIsMade) {
  const auto group = devices(Way::host);
  Model model(tiny_checkpoint, "", GetParam(), *device_on_host());
  Rollout rollout(model, *group, short_chunks());
  const bool root = group->rank() == 0;
  Recorder first;  // decoded between the passes, the ones that fail beside them
  rollout.make(small_request(2), root ? &first : nullptr);
  for (const int good_calls : {0, 1}) {  // with the first frames, or with the last ones
    Failing failing(good_calls);
    try {
      rollout.make(small_request(2), root ? &failing : nullptr);
      ADD_FAILURE() << "a video without all its frames, after " << good_calls;
    } catch (const VideoFailed& error) {
      EXPECT_EQ(error.code(), ExitCode::output);
      if (root) {
        EXPECT_STREQ(error.what(), "the disk is full");
      }
    }
    EXPECT_EQ(failing.calls, root ? good_calls + 1 : 0);
  }
  Recorder again;
  rollout.make(small_request(2), root ? &again : nullptr);
  EXPECT_EQ(again.latent, first.latent);
  EXPECT_EQ(again.planes, first.planes);
}

/// The device is lost when the first latents are out.
class Breaker final : public VideoSink {
 public:
  void latents(const ChunkSpan&, ConstView) override { lose_device_on_host(true); }
  void frames(ConstView) override {}
};

TEST(LostDevice, EndsTheRunAndNotTheVideoAlone) {
  if (device_on_host() == nullptr) GTEST_SKIP() << "fibres cannot be used in this build";
  const auto alone = make_solo_communicator();
  Model model(tiny_checkpoint, "", ElementType::f32, *device_on_host());
  RolloutSettings settings;
  settings.denoising_steps = {1000};
  settings.chunk_frames = 1;
  for (const bool beside : {false, true}) {  // in a later video decoding is a thread's
    Rollout rollout(model, *alone, settings);
    Recorder first;
    if (beside) rollout.make(small_request(1), &first);
    Breaker breaker;
    try {
      rollout.make(small_request(1), &breaker);
      ADD_FAILURE() << "a lost device makes no video";
    } catch (const VideoFailed& error) {
      ADD_FAILURE() << "the next video would be tried: " << error.what();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::device);
      EXPECT_STREQ(error.what(), "the device is lost");
    }
    lose_device_on_host(false);
  }
}

}  // namespace
}  // namespace causeway::testing
