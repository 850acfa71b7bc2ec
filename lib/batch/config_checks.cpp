// Impossible combinations of configuration keys.
#include "batch/config_checks.hpp"

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "core/nearest_word.hpp"

namespace causeway {
namespace {

class Checker {
 public:
  Checker(const Config& config, const std::map<std::string, ConfigValue>& written,
          const std::map<std::string, bool>& broken, Problems& problems)
      : config_(config), written_(written), broken_(broken), problems_(problems) {}

  void all() {
    size("video.height", config_.video.height);
    size("video.width", config_.video.width);
    frames();
    window();
    something_saved();
    rate_factor();
    preset();
    exchange();
  }

 private:
  bool sound(std::initializer_list<const char*> keys) const {
    return std::none_of(keys.begin(), keys.end(),
                        [&](const char* key) { return broken_.contains(key); });
  }

  /// `text` is "KEY: value (why); advice"; its place is that of the first of `keys` that was
  /// written.
  void complain(std::initializer_list<const char*> keys, const std::string& text) {
    for (const char* key : keys) {
      const auto found = written_.find(key);
      if (found == written_.end()) continue;
      problems_.add(found->second.line, found->second.place + ": " + text);
      return;
    }
    problems_.add(0, "defaults: " + text);
  }

  void size(const char* key, int pixels) {
    if (!sound({key}) || pixels % 16 == 0) return;
    const int below = pixels / 16 * 16;  // at least 16, and 8192 is a multiple of 16
    complain(
        {key},
        fmt::format("{}: {} (not a multiple of 16: the VAE divides by 8, the transformer's patches "
                    "by 2); nearest valid: {} or {}",
                    key, pixels, below, below + 16));
  }

  void frames() {
    if (!sound({"video.frames", "rollout.chunk_frames", "rollout.independent_first_frame"})) return;
    const auto problem = frame_count_problem(config_.video.frames, config_.rollout);
    if (problem.empty()) return;
    complain({"video.frames", "rollout.chunk_frames", "rollout.independent_first_frame"},
             fmt::format("video.frames: {} {}", config_.video.frames, problem));
  }

  void window() {
    if (!sound({"rollout.window_frames", "rollout.sink_frames", "rollout.chunk_frames"})) return;
    const auto& rollout = config_.rollout;
    const long least = long{rollout.chunk_frames} + rollout.sink_frames;
    if (rollout.window_frames == -1 || rollout.window_frames >= least) return;
    if (rollout.window_frames >= rollout.chunk_frames && written_.contains("rollout.sink_frames")) {
      complain(
          {"rollout.sink_frames"},
          fmt::format(
              "rollout.sink_frames: {} (the window of {} latent frames must hold the sink and a "
              "chunk of {}); nearest valid: {}, or window_frames {}",
              rollout.sink_frames, rollout.window_frames, rollout.chunk_frames,
              rollout.window_frames - rollout.chunk_frames, least));
      return;
    }
    complain({"rollout.window_frames", "rollout.chunk_frames"},
             fmt::format(
                 "rollout.window_frames: {} (it must hold the sink of {} and a chunk of {} latent "
                 "frames); nearest valid: {}, or -1 for no limit",
                 rollout.window_frames, rollout.sink_frames, rollout.chunk_frames, least));
  }

  void something_saved() {
    if (!sound({"latents.save", "encoding.save"}) || config_.latents.save || config_.encoding.save)
      return;
    complain({"encoding.save", "latents.save"},
             "encoding.save: false (latents.save is false too, so nothing would be kept); set one "
             "of them to "
             "true");
  }

  void rate_factor() {
    if (!sound({"encoding.codec", "encoding.crf"})) return;
    if (config_.encoding.codec == "libsvtav1" || config_.encoding.crf <= 51) return;
    complain({"encoding.crf", "encoding.codec"},
             fmt::format("encoding.crf: {} (out of range for {}: from 0 to 51); nearest valid: 51",
                         config_.encoding.crf, config_.encoding.codec));
  }

  void preset() {
    if (!sound({"encoding.codec", "encoding.preset"})) return;
    std::vector<std::string> known{"ultrafast", "superfast", "veryfast", "faster",   "fast",
                                   "medium",    "slow",      "slower",   "veryslow", "placebo"};
    const bool av1 = config_.encoding.codec == "libsvtav1";
    const char* const usual = av1 ? "8" : "medium";
    if (av1) {
      known.clear();
      for (int speed = 0; speed <= 13; ++speed) known.push_back(fmt::format("{}", speed));
    }
    const auto& preset = config_.encoding.preset;
    if (std::find(known.begin(), known.end(), preset) != known.end()) return;
    const auto near = nearest_word(preset, known);
    complain({"encoding.preset", "encoding.codec"},
             fmt::format("encoding.preset: {} ({} takes one of {}); nearest valid: {}",
                         preset.empty() ? "''" : preset, config_.encoding.codec,
                         fmt::join(known, ", "), near.empty() ? std::string(usual) : near));
  }

  void exchange() {
    if (!sound({"parallel.exchange", "parallel.device"})) return;
    const ExchangeKind asked = config_.parallel.exchange;
    if ((asked != ExchangeKind::nccl && asked != ExchangeKind::peer) ||
        config_.parallel.device == DeviceKind::cuda)
      return;
    complain({"parallel.exchange", "parallel.device"},
             fmt::format("parallel.exchange: {} (device is cpu, and {}); use auto, or device: cuda",
                         asked == ExchangeKind::nccl ? "nccl" : "peer",
                         asked == ExchangeKind::nccl ? "NCCL connects GPUs"
                                                     : "peer copies go between GPUs"));
  }

  const Config& config_;
  const std::map<std::string, ConfigValue>& written_;
  const std::map<std::string, bool>& broken_;
  Problems& problems_;
};

}  // namespace

void check_combinations(const Config& config, const std::map<std::string, ConfigValue>& written,
                        const std::map<std::string, bool>& broken, Problems& problems) {
  Checker(config, written, broken, problems).all();
}

}  // namespace causeway
