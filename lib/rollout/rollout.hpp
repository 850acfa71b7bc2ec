// The face of lib/rollout: one video, chunk after chunk.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "comm/comm.hpp"
#include "model/model.hpp"
#include "rollout/schedule.hpp"

namespace causeway {

/// How videos are generated; the defaults are the published Self-Forcing 1.3B values.
struct RolloutSettings {
  std::int64_t chunk_frames = 3;  ///< latent frames per chunk
  std::vector<int> denoising_steps{1000, 750, 500, 250};
  bool warp = true;
  double shift = 5.0;
  double context_noise = 0.0;       ///< timestep of the pass that leaves clean K and V in the cache
  std::int64_t window_frames = -1;  ///< latent frames a query can see; −1: all
  std::int64_t sink_frames = 0;     ///< first latent frames, never forgotten
  bool independent_first_frame = false;  ///< chunks of 1, n, n, … instead of n, n, …
  bool decode = true;                    ///< run the VAE
};

/// From chunk `first_chunk` on, this prompt.
struct PromptStretch {
  std::int64_t first_chunk = 0;
  std::string text;
};

/// One video to make; the same on every rank of the group, save `initial_latents`.
struct VideoRequest {
  std::uint64_t seed = 0, sample = 0;  ///< key of its noise
  std::int64_t latent_frames = 0, latent_height = 0, latent_width = 0;
  std::vector<PromptStretch> prompts;      ///< ascending; the first starts at chunk 0
  std::int64_t initial_frames = 0;         ///< latent frames given, not generated
  const float* initial_latents = nullptr;  ///< [channels, initial_frames, h, w] on rank 0
};

/// Latent frames of one chunk.
struct ChunkSpan {
  std::int64_t first_frame = 0, frames = 0;
};

/// How `latent_frames` fall into chunks. Throws Error(usage) if they do not.
std::vector<ChunkSpan> chunk_spans(std::int64_t latent_frames, const RolloutSettings& settings);

/// Receives a video on rank 0 of the group as it grows. What it throws ends this video, not the
/// group. A backend that decodes beside the passes calls `frames` from another thread, also while
/// `latents` of a later chunk is called; not any more when `make` has returned.
class VideoSink {
 public:
  virtual ~VideoSink() = default;
  /// A final chunk [channels, frames, h, w] f32, normalised latents.
  virtual void latents(const ChunkSpan& span, ConstView chunk) = 0;
  /// Its next decoded frames, [n, height·width·3/2] u8 in the host's memory: the planes of yuv420p
  /// as `Kernels::frames_to_yuv420p` says.
  virtual void frames(ConstView yuv420p) = 0;
};

/// Where the time of one generated chunk went, seconds on this rank.
struct ChunkReport {
  ChunkSpan span;
  std::int64_t keys = 0;  ///< tokens that its queries see, its own included
  double denoise = 0, refresh = 0;
  double decode = 0;    ///< on GPUs beside what comes next, save in the first video of a shape
  double exchange = 0;  ///< of denoise and refresh
};

/// Where the time of one video went, seconds on this rank; counts are exact.
struct VideoReport {
  double text = 0, prefill = 0, denoise = 0, refresh = 0, exchange = 0, decode = 0, total = 0;
  double group_wait = 0;    ///< of ranks that wait for rank 0's frames
  double first_frame = 0;   ///< from the start until the first chunk's frames were ready
  std::int64_t passes = 0;  ///< network passes: denoising, refresh and prefill
  std::int64_t kv_bytes = 0, context_bytes = 0, chunk_bytes = 0, vae_cache_bytes = 0;
  std::int64_t exchanged_bytes = 0;    ///< sent by this rank in exchanges
  std::vector<std::string> truncated;  ///< prompts that were longer than the text length (rank 0)
  std::vector<ChunkReport> chunks;     ///< that were generated, in order
};

/// A video that the whole group gave up together; rank 0 has the reason of the first rank that had
/// one (other ranks know only that there is one). The group is in step and can make the next video;
/// any other exception leaves it out of step.
class VideoFailed : public Error {
 public:
  using Error::Error;
};

/// Makes videos with one model on one job group. All ranks of the group call `make` together.
class Rollout {
 public:
  /// Prompts whose contexts a rank remembers.
  static constexpr std::size_t kept_contexts = 4;

  Rollout(Model& model, Communicator& group, const RolloutSettings& settings);

  /// Makes one video; `sink` is used on rank 0 of the group only. Throws VideoFailed on all ranks
  /// where the sink, the text encoder or the decoder failed on rank 0, or any rank had no room.
  VideoReport make(const VideoRequest& request, VideoSink* sink);

  /// Latent frames that the cache holds for a video of this length.
  std::int64_t cache_frames(std::int64_t latent_frames) const;

 private:
  struct Video;
  struct KeptContext {
    std::string prompt;
    TextContext context;
    bool truncated = false;  ///< known on rank 0
  };
  /// What passes over chunks of one length need; each chunk of that length uses it in turn.
  struct Workspace {
    ChunkPass pass;
    Tensor x, flow;  // [own tokens, patch inputs], [own tokens, patch outputs], f32
  };
  /// Latent frames, height and width, and given frames.
  using VideoShape = std::array<std::int64_t, 4>;
  static VideoShape shape_of(const VideoRequest& request);
  /// Memory and tables for all chunks.
  void prepare(Video& video, const std::vector<ChunkSpan>& spans);
  const TextContext& context_for(const std::string& prompt, Video& video);
  void prepare_cache(const VideoRequest& request, const RankGrid& grid);
  void prepare_workspaces(const Video& video, const std::vector<ChunkSpan>& spans);
  void prefill(Video& video, const ChunkSpan& span, Workspace& work);
  void denoise(Video& video, const ChunkSpan& span, std::int64_t chunk_index, Workspace& work);
  void deliver(Video& video, const ChunkSpan& span, const Workspace& work);
  void report_bytes(VideoReport& report) const;
  /// Waits for the last frames, and reports where their time went.
  void finish_frames(Video& video);
  /// Waits for the end of all passes so far.
  void settle();
  /// Does what may fail on one rank alone, on all; then all go on, or all give the video up.
  template <class Work>
  void together(Video& video, Work&& work);
  void agree_or_abandon(Video& video, const std::exception_ptr& problem);

  Model* model_;
  Communicator* group_;
  RolloutSettings settings_;
  std::vector<DenoisingStep> steps_;
  std::optional<KvCache> cache_;
  std::int64_t cache_tokens_ = 0, cache_sink_ = 0;
  std::map<std::int64_t, Workspace> workspaces_;  // by the chunk's latent frames
  std::int64_t rows_ = 0, columns_ = 0;           // tokens of a frame, of those
  Tensor planes_;                                 // of FrameStage
  /// Shapes of the videos made so far. In the first one of a shape a backend may try its
  /// algorithms; nothing runs beside that, as it is timed.
  std::set<VideoShape> made_;
  /// The contexts of the last prompts, newest first; every rank of the group keeps the same ones.
  std::list<KeptContext> contexts_;
};

}  // namespace causeway
