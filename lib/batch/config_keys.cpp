// The table of configuration keys.
#include "batch/config_keys.hpp"

#include <algorithm>

#include "batch/key_builders.hpp"

namespace causeway {
namespace {

using Form = ConfigKey::Form;

ConfigKey seed_key() {
  return {"seed",
          "noise of every sample whose prompt line has no seed of its own; 0 … 2^64 − 1",
          Form::one_value,
          false,
          [](KeyReading& reading, Config& config) {
            if (const auto number = read_unsigned(reading, reading.value())) config.seed = *number;
          },
          [](const Config& config) { return fmt::format("{}", config.seed); }};
}

ConfigKey preset_key() {
  return {"encoding.preset",
          "speed against size; libx264, libx265: ultrafast … placebo; libsvtav1: 0 … 13",
          Form::text,
          false,
          [](KeyReading& reading, Config& config) {
            if (const auto text = read_text(reading, reading.value()))
              config.encoding.preset = *text;
          },
          [](const Config& config) { return yaml_text(config.encoding.preset); }};
}

void read_steps(KeyReading& reading, Config& config) {
  const ConfigValue& value = reading.value();
  if (value.kind != ConfigValue::Kind::list || value.items.empty()) {
    reading.complain(value, "a list of timesteps is expected",
                     "write a list such as [1000, 750, 500, 250]");
    return;
  }
  std::vector<int> steps;
  for (const auto& item : value.items) {
    if (const auto step = read_whole(reading, item, 1, 1000))
      steps.push_back(static_cast<int>(*step));
  }
  if (reading.complained()) return;
  if (std::adjacent_find(steps.begin(), steps.end(), std::less_equal<>()) != steps.end()) {
    auto nearest = steps;
    std::sort(nearest.begin(), nearest.end(), std::greater<>());
    nearest.erase(std::unique(nearest.begin(), nearest.end()), nearest.end());
    ConfigValue written = value;
    written.kind = ConfigValue::Kind::scalar;
    written.text = fmt::format("[{}]", fmt::join(steps, ", "));
    reading.complain(written, "the steps go from noise to video: strictly decreasing",
                     fmt::format("nearest valid: [{}]", fmt::join(nearest, ", ")));
    return;
  }
  config.rollout.denoising_steps = steps;
}

ConfigKey steps_key() {
  return {"rollout.denoising_steps",
          "nominal timesteps, strictly decreasing, 1000 … 1",
          Form::list,
          false,
          read_steps,
          [](const Config& config) {
            return fmt::format("[{}]", fmt::join(config.rollout.denoising_steps, ", "));
          }};
}

void read_options(KeyReading& reading, Config& config) {
  const ConfigValue& value = reading.value();
  if (value.kind != ConfigValue::Kind::mapping) {
    reading.complain(value, "a mapping of codec options is expected",
                     "write one such as {tune: film}");
    return;
  }
  std::map<std::string, std::string> options;
  for (const auto& [key, option] : value.entries) {
    if (option.kind != ConfigValue::Kind::scalar || key.text.empty()) {
      reading.complain(option,
                       fmt::format("option {} needs a name and one value", in_quotes(key.text)),
                       "write 'name: value'");
      continue;
    }
    const bool sound = key.text.find('\0') == std::string::npos && read_text(reading, option);
    if (sound) options[key.text] = option.text;
  }
  if (!reading.complained()) config.encoding.options = options;
}

ConfigKey options_key() {
  return {"encoding.options",
          "handed on to the codec, e.g. {tune: film}",
          Form::mapping,
          false,
          read_options,
          [](const Config& config) {
            std::vector<std::string> entries;
            for (const auto& [name, value] : config.encoding.options) {
              entries.push_back(yaml_text(name) + ": " + yaml_text(value));
            }
            return fmt::format("{{{}}}", fmt::join(entries, ", "));
          }};
}

void add_batch_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(path_key(
      "model.path", "folder of the checkpoint; required",
      [](auto& c) -> auto& { return c.model.path; }, true));
  keys.push_back(path_key(
      "model.transformer_file",
      "transformer weights from elsewhere, e.g. a Self-Forcing .pt; \"\": none",
      [](auto& c) -> auto& { return c.model.transformer_file; }, false));
  keys.push_back(choice<ElementType>("model.precision",
                                     "bf16 or fp32: of weights and matrix products",
                                     [](auto& c) -> auto& { return c.model.precision; },
                                     {{"bf16", ElementType::bf16}, {"fp32", ElementType::f32}}));
  keys.push_back(
      choice<TextWeightsKind>("model.text_weights",
                              "of the text encoder: auto, streamed from the file at every "
                              "prompt, or resident; auto: resident on GPUs with room",
                              [](auto& c) -> auto& { return c.model.text_weights; },
                              {{"auto", TextWeightsKind::automatic},
                               {"streamed", TextWeightsKind::streamed},
                               {"resident", TextWeightsKind::resident}}));
  keys.push_back(path_key(
      "prompts", "prompt list: a .txt, .jsonl or .csv file; required",
      [](auto& c) -> auto& { return c.prompts; }, true));
  keys.push_back(path_key(
      "output", "folder of the results; required", [](auto& c) -> auto& { return c.output; },
      true));
  keys.push_back(seed_key());
  keys.push_back(whole(
      "samples_per_prompt", "videos of each prompt line that does not say 'samples'",
      [](auto& c) -> auto& { return c.samples_per_prompt; }, 1, 1000000));
  keys.push_back(whole(
      "files_per_folder", "samples whose files share one numbered folder of the output",
      [](auto& c) -> auto& { return c.files_per_folder; }, 1, 1000000));
}

void add_video_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(whole(
      "video.height", "pixels, a multiple of 16", [](auto& c) -> auto& { return c.video.height; },
      16, 8192));
  keys.push_back(whole(
      "video.width", "pixels, a multiple of 16", [](auto& c) -> auto& { return c.video.width; }, 16,
      8192));
  keys.push_back(whole(
      "video.frames", "4 (latent frames − 1) + 1; latent frames fill whole chunks",
      [](auto& c) -> auto& { return c.video.frames; }, 1, 1000000));
  keys.push_back(whole(
      "video.fps", "frames per second of the MP4, 1 … 240",
      [](auto& c) -> auto& { return c.video.fps; }, 1, 240));
}

void add_rollout_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(whole(
      "rollout.chunk_frames", "latent frames denoised together, as the model was trained",
      [](auto& c) -> auto& { return c.rollout.chunk_frames; }, 1, 1000));
  keys.push_back(steps_key());
  keys.push_back(on_off(
      "rollout.warp_denoising_step", "map the steps through the shifted schedule",
      [](auto& c) -> auto& { return c.rollout.warp_denoising_step; }));
  keys.push_back(real(
      "rollout.shift", "of the noise schedule, 0.01 … 100; 1: not shifted",
      [](auto& c) -> auto& { return c.rollout.shift; }, 0.01, 100));
  keys.push_back(real(
      "rollout.context_noise", "timestep of the cache-refresh pass, 0 … 1000",
      [](auto& c) -> auto& { return c.rollout.context_noise; }, 0, 1000));
  keys.push_back(whole(
      "rollout.window_frames",
      "latent frames that attention sees, sink and current chunk included; -1: all",
      [](auto& c) -> auto& { return c.rollout.window_frames; }, -1, 1000000));
  keys.push_back(whole(
      "rollout.sink_frames", "first latent frames, which the window never drops",
      [](auto& c) -> auto& { return c.rollout.sink_frames; }, 0, 1000000));
  keys.push_back(on_off(
      "rollout.independent_first_frame", "chunks of 1, n, n, … latent frames, not n, n, …",
      [](auto& c) -> auto& { return c.rollout.independent_first_frame; }));
}

void add_machine_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(choice<DeviceKind>("parallel.device", "cpu or cuda",
                                    [](auto& c) -> auto& { return c.parallel.device; },
                                    {{"cpu", DeviceKind::cpu}, {"cuda", DeviceKind::cuda}}));
  keys.push_back(whole(
      "parallel.group_size", "ranks that make one video together; divides the ranks; 0: all ranks",
      [](auto& c) -> auto& { return c.parallel.group_size; }, 0, 1000000));
  keys.push_back(whole(
      "parallel.threads", "per rank; 0: cores of the node / ranks on the node",
      [](auto& c) -> auto& { return c.parallel.threads; }, 0, 4096));
  keys.push_back(choice<ExchangeKind>("parallel.exchange",
                                      "between the GPUs of a job group: auto, nccl, peer or host; "
                                      "auto: nccl if each rank has its own GPU, else peer if all "
                                      "are on one node",
                                      [](auto& c) -> auto& { return c.parallel.exchange; },
                                      {{"auto", ExchangeKind::automatic},
                                       {"nccl", ExchangeKind::nccl},
                                       {"peer", ExchangeKind::peer},
                                       {"host", ExchangeKind::host}}));
  keys.push_back(real(
      "parallel.patience",
      "seconds that a GPU may take for sixteen exchanges of its group before the run ends",
      [](auto& c) -> auto& { return c.parallel.patience; }, 1, 86400));
  keys.push_back(on_off(
      "parallel.deterministic",
      "GPUs: the same bits on any number of ranks, far slower (CPUs: always)",
      [](auto& c) -> auto& { return c.parallel.deterministic; }));
}

void add_output_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(on_off(
      "latents.save", "an HDF5 file per sample", [](auto& c) -> auto& { return c.latents.save; }));
  keys.push_back(choice<ElementType>(
      "latents.type", "f32, f16 or bf16: element type in the file",
      [](auto& c) -> auto& { return c.latents.type; },
      {{"f32", ElementType::f32}, {"f16", ElementType::f16}, {"bf16", ElementType::bf16}}));
  keys.push_back(on_off(
      "encoding.save", "an MP4 file per sample", [](auto& c) -> auto& { return c.encoding.save; }));
  keys.push_back(choice<std::string>(
      "encoding.codec", "libx264, libx265 or libsvtav1, where this machine's libav has it",
      [](auto& c) -> auto& { return c.encoding.codec; },
      {{"libx264", "libx264"}, {"libx265", "libx265"}, {"libsvtav1", "libsvtav1"}}));
  keys.push_back(whole(
      "encoding.crf", "constant rate factor: 0 best … 51 (libsvtav1: 63) smallest",
      [](auto& c) -> auto& { return c.encoding.crf; }, 0, 63));
  keys.push_back(preset_key());
  keys.push_back(options_key());
}

}  // namespace

void KeyReading::complain(const ConfigValue& at, std::string_view why, std::string_view advice) {
  problems_.add(at.line,
                fmt::format("{}: {}: {} ({}); {}", at.place, path_, shown(at), why, advice));
  complained_ = true;
}

const std::vector<ConfigKey>& config_keys() {
  static const std::vector<ConfigKey> keys = [] {
    std::vector<ConfigKey> all;
    add_batch_keys(all);
    add_video_keys(all);
    add_rollout_keys(all);
    add_machine_keys(all);
    add_output_keys(all);
    return all;
  }();
  return keys;
}

const std::vector<ConfigSection>& config_sections() {
  static const std::vector<ConfigSection> sections{
      {"model", "what makes the videos"},
      {"video", "what is made"},
      {"rollout",
       "how a video is denoised, chunk by chunk; defaults: the published Self-Forcing 1.3B"},
      {"parallel", "who does it"},
      {"latents", "the result before the VAE"},
      {"encoding", "the result as a video file"}};
  return sections;
}

std::string shown(const ConfigValue& value) {
  switch (value.kind) {
    case ConfigValue::Kind::null:
      return "no value";
    case ConfigValue::Kind::list:
      return "a list";
    case ConfigValue::Kind::mapping:
      return "a mapping";
    case ConfigValue::Kind::scalar:
      break;
  }
  // Plain words and numbers stand for themselves.
  const bool plain = !value.text.empty() && value.text.size() <= 60 &&
                     std::all_of(value.text.begin(), value.text.end(),
                                 [](unsigned char c) { return c > 0x20 && c != 0x7F; });
  return plain || value.text.starts_with('[') ? value.text : in_quotes(value.text);
}

std::string yaml_text(std::string_view text) {
  std::string yaml = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      yaml += '\\';
      yaml += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      yaml += fmt::format("\\x{:02X}", byte);
    } else {
      yaml += c;
    }
  }
  return yaml + '"';
}

}  // namespace causeway
