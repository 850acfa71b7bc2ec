// The configuration of one batch: what the user's YAML file says, with every default filled in.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tensor/tensor.hpp"

namespace causeway {

/// Which backend computes.
enum class DeviceKind { cpu, cuda };

constexpr const char* name_of(DeviceKind device) {
  return device == DeviceKind::cpu ? "cpu" : "cuda";
}

/// How the devices of a job group reach each other.
enum class ExchangeKind { automatic, host, nccl, peer };

/// Where the text encoder's matrices are: see lib/model's TextWeights.
enum class TextWeightsKind { automatic, streamed, resident };

/// Paths in every section are absolute once they were read.
struct ModelConfig {
  std::string path;  ///< folder of the checkpoint
  std::string
      transformer_file;  ///< transformer weights from elsewhere (a Self-Forcing .pt); empty: none
  ElementType precision = ElementType::bf16;                  ///< bf16, or f32 (written "fp32")
  TextWeightsKind text_weights = TextWeightsKind::automatic;  ///< resident where GPUs have room
  bool operator==(const ModelConfig&) const = default;
};

struct VideoConfig {
  int height = 480;  ///< pixels, a multiple of 16
  int width = 832;   ///< pixels, a multiple of 16
  int frames = 81;   ///< of the whole video, 4 · (latent frames − 1) + 1
  int fps = 16;      ///< frames per second of the MP4
  bool operator==(const VideoConfig&) const = default;
};

/// The defaults are those of the published Self-Forcing 1.3B configuration.
struct RolloutConfig {
  int chunk_frames = 3;                                   ///< latent frames per chunk
  std::vector<int> denoising_steps{1000, 750, 500, 250};  ///< nominal, strictly decreasing, 1…1000
  bool warp_denoising_step = true;       ///< map the steps through the shifted schedule
  double shift = 5.0;                    ///< of the schedule; 1: none
  double context_noise = 0;              ///< timestep of the cache-refresh pass
  int window_frames = -1;                ///< latent frames a query sees; −1: all
  int sink_frames = 0;                   ///< first latent frames, never evicted
  bool independent_first_frame = false;  ///< chunk sizes 1, n, n, … instead of n, n, …
  bool operator==(const RolloutConfig&) const = default;
};

struct ParallelConfig {
  DeviceKind device = DeviceKind::cpu;
  int group_size = 1;  ///< ranks that make one video together; 0: all ranks of the job
  int threads = 0;     ///< per rank; 0: cores of the node / ranks on the node
  ExchangeKind exchange = ExchangeKind::automatic;  ///< between GPUs
  double patience = 300;       ///< seconds for sixteen exchanges between the GPUs of a group
  bool deterministic = false;  ///< GPUs: the same bits on any number of ranks; CPUs: always
  bool operator==(const ParallelConfig&) const = default;
};

struct LatentsConfig {
  bool save = true;
  ElementType type = ElementType::f32;  ///< f32, f16 or bf16
  bool operator==(const LatentsConfig&) const = default;
};

struct EncodingConfig {
  bool save = true;
  std::string codec = "libx264";  ///< libx264, libx265 or libsvtav1
  int crf = 18;                   ///< constant rate factor: 0 best … 51 (libsvtav1: 63) smallest
  std::string preset = "medium";  ///< of the codec: speed against size
  std::map<std::string, std::string> options;  ///< handed on to the codec
  bool operator==(const EncodingConfig&) const = default;
};

struct Config {
  ModelConfig model;
  std::string prompts;  ///< file: .txt, .jsonl or .csv
  std::string output;   ///< folder
  std::uint64_t seed =
      0;  ///< of the noise of every sample whose prompt line has no seed of its own
  VideoConfig video;
  RolloutConfig rollout;
  ParallelConfig parallel;
  LatentsConfig latents;
  EncodingConfig encoding;
  int samples_per_prompt = 1;
  int files_per_folder = 1000;

  /// Where each key that was written down stands: "run.yaml:7" or "--set video.frames=80". Not a
  /// setting.
  std::map<std::string, std::string> places;
};

/// True if both ask for the same work, wherever their keys stood.
bool same_settings(const Config& a, const Config& b);

/// Latent frames of a video of `frames` = 4k + 1 frames: 1 + (frames − 1) / 4 (Wan2.1 VAE).
int latent_frames(int frames);

/// Chunks of a video of `frames` frames, a count that `frame_count_problem` accepts.
int chunk_count(int frames, const RolloutConfig& rollout);

/// Latent frames of chunk `chunk`: `chunk_frames`, or 1 for an independent first frame.
int frames_of_chunk(int chunk, const RolloutConfig& rollout);

/// Why a video cannot have `frames` frames, with the nearest counts: "(why); nearest valid: 69 or
/// 81". Empty where it can: latent frames must fill whole chunks.
std::string frame_count_problem(int frames, const RolloutConfig& rollout);

/// Ranks per job group where the job has `ranks` ranks: `parallel.group_size` with 0 resolved.
int resolved_group_size(const Config& config, int ranks);

/// Where and why the group size does not divide `ranks`, with the nearest divisors; empty if it
/// does.
std::string group_size_problem(const Config& config, int ranks);

}  // namespace causeway
