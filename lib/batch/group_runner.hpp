// One rank's work in a run: take samples with its job group until there are none left.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "batch/config.hpp"
#include "batch/report.hpp"
#include "batch/run_directory.hpp"
#include "batch/sample_job.hpp"
#include "batch/sample_queue.hpp"
#include "batch/sample_writer.hpp"
#include "model/model.hpp"
#include "rollout/rollout.hpp"

namespace causeway {

RolloutSettings rollout_settings(const Config& config);

/// Makes videos with one job group. The group's rank 0 talks to the queue, decodes and writes; the
/// others follow what it broadcasts.
class GroupRunner {
 public:
  GroupRunner(const Config& config, const RunDirectory& directory, const Provenance& provenance,
              Model& model, Communicator& group, QueueClient queue);

  /// Until the queue is empty. Problems of one sample are reported to the queue; any exception that
  /// leaves this function has put the group out of step and must end the run.
  void run();
  /// Fills in what this rank counted.
  void add_to(RankReport& report) const;

 private:
  bool receive(SampleJob& job, const SampleResult* last);
  void prepare_initial_video(SampleJob& job);
  SampleResult make(const SampleJob& job);
  /// The writer on the group's rank 0, nothing elsewhere; VideoFailed on all ranks if it cannot be
  /// made.
  std::unique_ptr<SampleWriter> start_writer(const SampleJob& job,
                                             const std::array<std::int64_t, 4>& latent_shape);
  void publish(SampleWriter& writer, const VideoReport& report, SampleResult& result);
  void count(const VideoReport& report, double writing);

  const Config& config_;
  const RunDirectory& directory_;
  const Provenance& provenance_;
  Model& model_;
  Communicator& group_;
  QueueClient queue_;
  Rollout rollout_;
  Tensor initial_latents_;  // [channels, initial frames, h, w] on the leader, or empty
  StageSeconds seconds_;
  std::int64_t videos_ = 0, kv_cache_ = 0, context_ = 0, chunk_buffers_ = 0, vae_caches_ = 0;
};

}  // namespace causeway
