// `causeway bench`: videos made for their times alone.
#include "batch/bench.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <utility>

#include "batch/agreement.hpp"
#include "batch/group_runner.hpp"
#include "batch/json_text.hpp"
#include "batch/progress.hpp"
#include "batch/report.hpp"
#include "batch/run_observer.hpp"
#include "batch/session.hpp"
#include "core/build_info.hpp"
#include "core/clock.hpp"
#include "output/output.hpp"

namespace causeway {
namespace {

using Json = nlohmann::ordered_json;

/// Counts frames and forgets them.
class Counter final : public VideoSink {
 public:
  void latents(const ChunkSpan&, ConstView) override {}
  void frames(ConstView yuv420p) override { count += yuv420p.shape[0]; }
  std::int64_t count = 0;
};

/// The times of one chunk by name: in the table, in the file and for medians.
struct Part {
  const char* name;
  double ChunkReport::*seconds;
};
constexpr std::array<Part, 4> parts{{{"denoise", &ChunkReport::denoise},
                                     {"refresh", &ChunkReport::refresh},
                                     {"exchange", &ChunkReport::exchange},
                                     {"decode", &ChunkReport::decode}}};

/// One video of every job group, as rank 0 of the job saw it.
struct Round {
  double seconds = 0;  ///< until the slowest group was done
  VideoReport report;  ///< of the first group's first rank
};

template <class Get>
double median_of(const std::vector<Round>& rounds, Get&& get) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(get(round));
  return median(std::move(values));
}

VideoRequest request_of(const Config& config, const VaeConfig& vae, int group, int number) {
  VideoRequest request;
  request.seed = config.seed;
  request.sample = static_cast<std::uint64_t>(group) * 1000 + static_cast<std::uint64_t>(number);
  request.latent_frames = latent_frames(config.video.frames);
  request.latent_height = config.video.height / vae.spatial_stride();
  request.latent_width = config.video.width / vae.spatial_stride();
  // A prompt of its own for every video: a batch encodes each of its prompts once.
  request.prompts = {{0, fmt::format("a red circle moves left, {}", number)}};
  return request;
}

Json round_json(const Round& round) {
  Json chunks = Json::array();
  for (const ChunkReport& chunk : round.report.chunks) {
    Json json = {{"first_latent_frame", chunk.span.first_frame},
                 {"latent_frames", chunk.span.frames},
                 {"keys", chunk.keys}};
    for (const Part& part : parts) json[part.name] = chunk.*part.seconds;
    chunks.push_back(json);
  }
  return {{"seconds", round.seconds},
          {"first_frame", round.report.first_frame},
          {"text", round.report.text},
          {"passes", round.report.passes},
          {"exchanged_bytes", round.report.exchanged_bytes},
          {"chunks", chunks}};
}

class Bench {
 public:
  Bench(Process& process, const BenchOptions& options)
      : process_(process),
        world_(process.world()),
        options_(options),
        shared_(share_config(world_, [&] { return read(); })),
        session_(process, shared_.config) {}

  ExitCode run() {
    const Config& config = shared_.config;
    if (options_.show_placement && root()) print_placement(session_.places());
    plan_ = session_.check_memory({config.video.frames, false});
    collectively(world_, [&] {
      session_.open_model();
      session_.load_model();
    });
    Rollout rollout(session_.model(), session_.group(), rollout_settings(config));
    for (int number = 0; number <= options_.videos; ++number) {
      world_.barrier();
      const auto start = Clock::now();
      Round round{0, make(rollout, number)};
      // Rank 0 hears when the last group is done.
      round.seconds = 1e-9 * static_cast<double>(
                                 world_.max(static_cast<std::int64_t>(1e9 * seconds_since(start))));
      if (number > 0) rounds_.push_back(std::move(round));  // the first one warmed up
    }
    collectively(world_, [&] {
      if (!root()) return;
      print_table();
      if (!options_.json_file.empty()) write_text_atomically(options_.json_file, to_json());
    });
    return ExitCode::success;
  }

 private:
  bool root() const { return world_.rank() == 0; }

  Config read() const {
    ConfigOverrides overrides = options_.overrides;
    overrides.ranks = world_.size();
    overrides.may_be_incomplete = true;  // neither prompts nor an output folder are needed
    Config config = read_config(options_.config_file, overrides);
    require(!config.model.path.empty(), ExitCode::usage,
            "'{}' has no model.path; name a checkpoint there, or with --set model.path=DIR",
            options_.config_file);
    return config;
  }

  /// One video of every group. What is not the video's own fault ends the run on all ranks at once.
  VideoReport make(Rollout& rollout, int number) {
    Counter counter;
    VideoReport report;
    std::optional<VideoFailed> failed;
    const bool first = session_.group().rank() == 0;
    or_abort(process_, [&] {
      try {
        report = rollout.make(request_of(shared_.config, session_.model().vae_config(),
                                         session_.group_number(), number),
                              first ? &counter : nullptr);
      } catch (const VideoFailed& error) {
        failed = error;
      }
    });
    collectively(world_, [&] {
      if (failed) throw *failed;
      const bool decodes = first && shared_.config.encoding.save;
      expects(!decodes || counter.count == shared_.config.video.frames, "every frame is decoded");
    });
    return report;
  }

  /// Frames of all groups over a round's seconds.
  double frames_per_second() const {
    return shared_.config.video.frames * session_.groups() /
           median_of(rounds_, [](const Round& round) { return round.seconds; });
  }

  void print_table() const {
    const Config& config = shared_.config;
    fmt::print(
        "{} videos of {} frames, {} x {}, by each of {} job groups of {} ranks ({} threads each), "
        "after one to warm up\n"
        "backend {}, {}; multiply-add peak of a rank {:.0f} GFLOP/s\n",
        options_.videos, config.video.frames, config.video.width, config.video.height,
        session_.groups(), session_.group_size(), session_.threads(), session_.ops().kernels().name,
        config.model.precision == ElementType::f32 ? "fp32" : "bf16", peak());
    if (plan_) fmt::print("GPU memory of rank 0: {}\n", plan_text(*plan_));
    fmt::print("\nmedians on rank 0, s\nchunk  frames     keys");
    for (const Part& part : parts) fmt::print("  {:>9}", part.name);
    fmt::print("\n");
    const auto& chunks = rounds_.front().report.chunks;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      fmt::print("{:5}  {:6}  {:7}", i, chunks[i].span.frames, chunks[i].keys);
      for (const Part& part : parts) {
        fmt::print("  {:9.4f}", median_of(rounds_, [&](const Round& round) {
                     return round.report.chunks[i].*part.seconds;
                   }));
      }
      fmt::print("\n");
    }
    fmt::print(
        "\nfirst frame  {:.4f} s (prompt {:.4f} s)\nvideo        {:.4f} s\nall groups   {:.2f} "
        "frames per second\n",
        median_of(rounds_, [](const Round& round) { return round.report.first_frame; }),
        median_of(rounds_, [](const Round& round) { return round.report.text; }),
        median_of(rounds_, [](const Round& round) { return round.seconds; }), frames_per_second());
    std::fflush(stdout);
  }

  double peak() const {
    return 1e-9 * session_.ops().kernels().measure_peak(shared_.config.model.precision);
  }

  std::string to_json() const {
    Json videos = Json::array();
    for (const Round& round : rounds_) videos.push_back(round_json(round));
    Json places = Json::array();
    for (const Place& place : session_.places())
      places.push_back({{"rank", place.rank}, {"host", place.host}, {"device", place.device}});
    const Json json = {{"when", utc_now()},
                       {"commit", build_commit()},
                       {"backend", session_.ops().kernels().name},
                       {"configuration", shared_.text},
                       {"group_size", session_.group_size()},
                       {"groups", session_.groups()},
                       {"threads", session_.threads()},
                       {"places", places},
                       {"frames_per_second", frames_per_second()},
                       {"videos", videos}};
    return json_text(json, 1) + "\n";
  }

  Process& process_;
  Communicator& world_;
  const BenchOptions& options_;
  SharedConfig shared_;
  Session session_;
  std::optional<MemoryPlan> plan_;
  std::vector<Round> rounds_;
};

}  // namespace

ExitCode run_bench(Process& process, const BenchOptions& options) {
  return Bench(process, options).run();
}

}  // namespace causeway
