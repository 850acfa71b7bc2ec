// The memory plan against what a device really holds.
#include "rollout/memory_plan.hpp"

#include <gtest/gtest.h>

#include "comm/device_comm.hpp"
#include "rollout/rollout_cases.hpp"
#include "support/cuda_ipc_on_host/cuda_ipc_on_host.hpp"
#include "support/device_on_host/device_on_host.hpp"
#include "support/mpi_test_main.hpp"

namespace causeway::testing {
namespace {

PlannedRun small_run(std::int64_t latent_frames, bool goes_on) {
  PlannedRun run;
  run.path = tiny_checkpoint;
  run.compute = ElementType::f32;
  run.settings.denoising_steps = {1000};
  run.height = 16;
  run.width = 32;
  run.latent_frames = latent_frames;
  run.goes_on = goes_on;
  return run;
}

class Nowhere final : public VideoSink {
 public:
  void latents(const ChunkSpan&, ConstView) override {}
  void frames(ConstView) override {}
};

/// What the convolutions of a real device hold: it lies beside the memory that is counted.
std::size_t convolutions = 0;

kernels::Kernels counting_convolutions() {
  kernels::Kernels table = device_on_host()->kernels();
  table.conv_create = [](const kernels::ConvSpec& spec, ConstView weight, ConstView bias) {
    const kernels::Kernels& inner = device_on_host()->kernels();
    kernels::Conv* const made = inner.conv_create(spec, weight, bias);
    convolutions += inner.conv_bytes(made);
    return made;
  };
  return table;
}

/// Makes the videos of a run on a device and compares what it held with the plan.
void expect_what_a_device_holds(std::int64_t latent_frames, bool decode, bool goes_on,
                                bool by_peer_copies,
                                TextWeights text_weights = TextWeights::streamed) {
  const kernels::Kernels table = counting_convolutions();
  const Ops ops(table, device_on_host()->memory());
  PlannedRun run = small_run(latent_frames, goes_on);
  run.settings.decode = decode;
  run.by_peer_copies = by_peer_copies;
  run.text_weights = text_weights;
  auto group = process().split(0);
  const bool first = group->rank() == 0;
  ASSERT_EQ(ops.memory().bytes_in_use(), 0u);
  forget_peak_of_device_on_host();
  const MemoryPlan plan = plan_memory(run, ops, group->rank(), group->size());
  ASSERT_EQ(ops.memory().peak_bytes(), 0u) << "the plan itself allocates nothing";
  if (group->size() > 1) {  // as a session does
    group = by_peer_copies ? peers_on_host(process())
                           : make_staged_communicator(std::move(group), ops.memory());
  }

  convolutions = 0;
  Model model(run.path, "", run.compute, ops);
  model.transformer();
  if (first) model.prepare_text();
  if (first && text_weights == TextWeights::resident) model.keep_text_weights();
  if (first && decode) model.vae_decoder();
  Rollout rollout(model, *group, run.settings);
  Nowhere sink;
  VideoReport report;
  for (const char* word : {"cat ", "dog ", "cow ", "fox ", "owl "}) {
    VideoRequest wanted = small_request(latent_frames);
    wanted.latent_height = 2;
    wanted.latent_width = 4;
    std::string text;
    for (int i = 0; i < 600; ++i) text += word;
    wanted.prompts = {{0, text}};
    // As a job group does: a given video is encoded before its turn, beside what is left of others.
    if (first && goes_on)
      model.vae_encoder().encode(Tensor::zeros(ElementType::u8, {5, 16, 32, 3}).view());
    report = rollout.make(wanted, first ? &sink : nullptr);
  }
  EXPECT_EQ(plan.kv_cache, report.kv_bytes);
  EXPECT_EQ(plan.contexts, report.context_bytes);
  EXPECT_EQ(plan.buffers, report.chunk_bytes);
  EXPECT_EQ(plan.vae_cache, report.vae_cache_bytes);
  EXPECT_EQ(plan.weights, static_cast<std::int64_t>(model.weight_bytes()));
  EXPECT_EQ(plan.total, static_cast<std::int64_t>(ops.memory().peak_bytes() + convolutions));
}

TEST(MemoryPlan, IsWhatADeviceHoldsAtItsPeak) {
  if (device_on_host() == nullptr) GTEST_SKIP() << "fibres cannot be used in this build";
  expect_what_a_device_holds(3, true, false, false);
  expect_what_a_device_holds(6, false, true, false, TextWeights::resident);
  if (process().world().size() > 1) expect_what_a_device_holds(3, false, false, true);
}

TEST(MemoryPlan, GrowsWithTheVideoAndShrinksWithTheGroup) {
  if (device_on_host() == nullptr) GTEST_SKIP() << "fibres cannot be used in this build";
  const Ops& ops = *device_on_host();
  const MemoryPlan one = plan_memory(small_run(6, false), ops, 0, 1),
                   longer = plan_memory(small_run(12, false), ops, 0, 1),
                   shared = plan_memory(small_run(6, false), ops, 1, 2);
  EXPECT_EQ(longer.kv_cache, 2 * one.kv_cache);
  EXPECT_EQ(longer.buffers, one.buffers);
  EXPECT_EQ(2 * shared.kv_cache, one.kv_cache);
  EXPECT_EQ(shared.vae_cache, 0);
  PlannedRun resident = small_run(6, false);
  resident.text_weights = TextWeights::resident;
  EXPECT_GT(plan_memory(resident, ops, 0, 1).weights, one.weights);
  EXPECT_EQ(plan_memory(resident, ops, 1, 2).weights, shared.weights) << "rank 0 encodes";
  EXPECT_LT(shared.total, one.total);
}

}  // namespace
}  // namespace causeway::testing
