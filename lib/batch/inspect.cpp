// Describing what lies at a path.
#include "batch/inspect.hpp"

#include <algorithm>
#include <filesystem>

#include "batch/config_reader.hpp"
#include "batch/json_text.hpp"
#include "batch/progress.hpp"
#include "batch/run_directory.hpp"
#include "core/core.hpp"
#include "model/describe.hpp"
#include "output/output.hpp"

namespace causeway {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string describe_checkpoint(const CheckpointDescription& checkpoint, bool as_json) {
  if (as_json) {
    Json networks = Json::array();
    for (const auto& network : checkpoint.networks) {
      Json tensors = Json::array();
      for (const auto& tensor : network.tensors) {
        tensors.push_back({{"name", tensor.name}, {"shape", tensor.shape}, {"type", tensor.type}});
      }
      networks.push_back({{"name", network.name},
                          {"files", network.files},
                          {"parameters", network.parameters},
                          {"bytes", network.bytes},
                          {"facts", network.facts},
                          {"problem", network.problem},
                          {"tensors", tensors}});
    }
    return json_text(Json{{"kind", "checkpoint"},
                          {"path", checkpoint.path},
                          {"layout", checkpoint.layout},
                          {"networks", networks}},
                     2) +
           "\n";
  }
  std::string text = fmt::format("{}: {}\n", checkpoint.path, checkpoint.layout);
  for (const auto& network : checkpoint.networks) {
    text +=
        fmt::format("\n{}: {} tensors, {} parameters, {}\n", network.name, network.tensors.size(),
                    network.parameters, readable_bytes(static_cast<double>(network.bytes)));
    for (const auto& file : network.files) text += "  file  " + file + "\n";
    for (const auto& [fact, value] : network.facts)
      text += fmt::format("  {:<12}{}\n", fact, value);
    if (!network.problem.empty()) text += "  problem  " + network.problem + "\n";
    for (const auto& tensor : network.tensors) {
      text += fmt::format("  {:<5}{:<24}{}\n", tensor.type, shape_text(tensor.shape), tensor.name);
    }
  }
  return text;
}

std::string describe_latents(const fs::path& path, bool as_json) {
  const LatentsInfo info = read_latents_info(path);
  Json attributes;
  for (const auto& [name, value] : info.attributes) {
    std::visit([&, &key = name](const auto& v) { attributes[key] = v; }, value);
  }
  if (as_json) {
    return json_text(Json{{"kind", "latents"},
                          {"path", path.string()},
                          {"shape", info.shape},
                          {"type", name_of(info.type)},
                          {"stored_bytes", info.stored_bytes},
                          {"attributes", attributes}},
                     2) +
           "\n";
  }
  std::string text = fmt::format("{}: latents [channels, frames, height, width] = [{}], {}, {}\n",
                                 path.string(), fmt::join(info.shape, ", "), name_of(info.type),
                                 readable_bytes(static_cast<double>(info.stored_bytes)));
  for (const auto& [name, value] : attributes.items()) {
    std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
    if (shown.find('\n') != std::string::npos) {
      // Long texts (the configuration) are indented below their name.
      std::string indented = "\n      ";
      for (const char c : shown)
        indented += c == '\n' ? std::string("\n      ") : std::string(1, c);
      shown = indented;
    }
    text += fmt::format("  {:<16}{}\n", name, shown);
  }
  return text;
}

std::string describe_run(const fs::path& path, bool as_json) {
  const RunDirectory directory(path);
  const Config config = read_config(directory.config_file());
  const SamplePlan plan = make_sample_plan(read_prompts(config.prompts, config), config);
  const auto done = directory.done(plan, config);
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < done.size(); ++i) {
    if (!done[i]) missing.push_back(plan.samples[i].id);
  }
  const std::size_t finished = done.size() - missing.size();
  if (as_json) {
    return json_text(Json{{"kind", "run"},
                          {"path", path.string()},
                          {"prompts", config.prompts},
                          {"samples", done.size()},
                          {"done", finished},
                          {"missing", missing},
                          {"report", fs::exists(directory.report())}},
                     2) +
           "\n";
  }
  std::string text =
      fmt::format("{}: a run of '{}': {} samples, {} done, {} missing\n", path.string(),
                  config.prompts, done.size(), finished, missing.size());
  constexpr std::size_t shown = 20;
  for (std::size_t i = 0; i < missing.size() && i < shown; ++i)
    text += "  missing  " + missing[i] + "\n";
  if (missing.size() > shown) text += fmt::format("  … and {} more\n", missing.size() - shown);
  if (fs::exists(directory.report())) text += "  report   " + directory.report().string() + "\n";
  return text;
}

}  // namespace

std::string inspect(const std::string& path, bool as_json) {
  require(fs::exists(path), ExitCode::input, "there is nothing at '{}'; check the path", path);
  if (fs::is_directory(path)) {
    if (fs::exists(RunDirectory(path).config_file())) return describe_run(path, as_json);
    return describe_checkpoint(describe_checkpoint_folder(path), as_json);
  }
  const std::string extension = fs::path(path).extension().string();
  if (extension == ".h5" || extension == ".hdf5") return describe_latents(path, as_json);
  if (extension == ".safetensors" || extension == ".pt" || extension == ".pth" ||
      extension == ".json") {
    return describe_checkpoint(describe_tensor_file(path), as_json);
  }
  fail(ExitCode::input,
       "'{}' is of no kind that is known here (a checkpoint folder, .safetensors, "
       ".safetensors.index.json, .pt, .pth, "
       ".h5, or the output folder of a run)",
       path);
}

}  // namespace causeway
