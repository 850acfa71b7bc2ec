// Opening a checkpoint folder: its layout, and which file holds which network.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <utility>

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/mapped_store.hpp"
#include "checkpoint/names.hpp"
#include "checkpoint/tensor_file.hpp"
#include "checkpoint/wording.hpp"

namespace causeway {
namespace {

namespace fs = std::filesystem;
using Matches = std::function<bool(std::string_view)>;

constexpr std::string_view index_ending = ".safetensors.index.json";

/// Names of the files (or folders) directly in a folder, in byte order; none where there is no such
/// folder.
std::vector<std::string> list(const fs::path& folder, bool folders) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (folders ? entry->is_directory(ignored) : entry->is_regular_file(ignored)) {
      names.push_back(entry->path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (auto& letter : result) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return result;
}

bool is_safetensors(std::string_view name) {
  return name.ends_with(".safetensors") || name.ends_with(index_ending);
}
bool is_weights(std::string_view name) {
  return is_safetensors(name) || name.ends_with(".pth") || name.ends_with(".pt");
}
bool names_vae(std::string_view name) { return lower_case(name).find("vae") != std::string::npos; }
bool names_text_encoder(std::string_view name) {
  const std::string lower = lower_case(name);
  return lower.starts_with("models_t5") || lower.find("umt5") != std::string::npos;
}

/// "NAME-00002-of-00007.safetensors" → "NAME", else "".
std::string shard_stem(std::string_view name) {
  constexpr std::string_view pattern = "-00000-of-00000.safetensors";
  if (name.size() < pattern.size()) return "";
  const std::string_view ending = name.substr(name.size() - pattern.size());
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const bool digit = ending[i] >= '0' && ending[i] <= '9';
    if (pattern[i] == '0' ? !digit : ending[i] != pattern[i]) return "";
  }
  return std::string(name.substr(0, name.size() - pattern.size()));
}

/// The one file (an index, where there are shards) among those of a folder that match, or "".
std::string find_weights(const fs::path& folder, const char* what, const Matches& matches) {
  std::vector<std::string> found;
  std::string unindexed;
  const std::vector<std::string> files = list(folder, false);
  for (const auto& name : files) {
    if (!matches(name)) continue;
    const std::string stem = shard_stem(name);
    if (stem.empty()) {
      found.push_back(name);
    } else if (std::find(files.begin(), files.end(), stem + std::string(index_ending)) ==
               files.end()) {
      unindexed = stem;
    }
  }
  require(
      unindexed.empty(), ExitCode::input,
      "'{}' holds shards of the {} without their index '{}{}' (it says which tensor lies in which "
      "shard); copy it there",
      folder.string(), what, shown(unindexed), index_ending);
  require(found.size() <= 1, ExitCode::input,
          "'{}' holds {} candidates for the {}: {} (one is expected); move the others elsewhere",
          folder.string(), found.size(), what, shown(fmt::format("{}", fmt::join(found, ", "))));
  return found.empty() ? "" : (folder / found.front()).string();
}

std::unique_ptr<TensorStore> open_network(const std::string& file, Network network,
                                          const std::string& where) {
  if (file.empty()) return nullptr;
  TensorTable table = read_tensor_file(file);
  std::vector<std::string> names;
  for (const auto& tensor : table.tensors) names.push_back(tensor.name);
  names = original_names(network, names);
  std::vector<StoredTensor> kept;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) continue;
    table.tensors[i].name = names[i];
    kept.push_back(std::move(table.tensors[i]));
  }
  table.tensors = std::move(kept);
  return std::make_unique<MappedStore>(std::move(table),
                                       fmt::format("{} of {}", name_of(network), where));
}

/// The whole text of a configuration file, or "" where there is none.
std::string read_config(const fs::path& path) {
  constexpr std::uintmax_t largest = 1 << 20;
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return "";
  const auto bytes = fs::file_size(path, error);
  require(!error && bytes <= largest, ExitCode::input,
          "'{}' has {} bytes (a model's configuration has a few hundred); check the file",
          path.string(), bytes);
  std::ifstream file(path, std::ios::binary);
  require(file.is_open(), ExitCode::input, "cannot open '{}'; check its permissions",
          path.string());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool has_tokenizer(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "tokenizer.json", ignored) ||
         fs::is_regular_file(folder / "spiece.model", ignored);
}

/// Collects the folders with a tokenizer up to `depth` levels below `folder`.
void collect_tokenizers(const fs::path& folder, int depth, std::vector<std::string>& found) {
  if (has_tokenizer(folder)) found.push_back(folder.string());
  if (depth == 0) return;
  for (const auto& name : list(folder, true)) collect_tokenizers(folder / name, depth - 1, found);
}

std::string find_tokenizer(const fs::path& folder) {
  for (const char* usual : {"google/umt5-xxl", "tokenizer"}) {
    if (has_tokenizer(folder / usual)) return (folder / usual).string();
  }
  std::vector<std::string> found;
  collect_tokenizers(folder, 2, found);
  require(found.size() <= 1, ExitCode::input,
          "'{}' holds {} folders with a tokenizer: {} (one is expected); move the others elsewhere",
          folder.string(), found.size(), fmt::join(found, ", "));
  return found.empty() ? "" : found.front();
}

/// Whether a folder is a part of a diffusers checkpoint.
bool is_part(const fs::path& folder) {
  const auto files = list(folder, false);
  return std::any_of(files.begin(), files.end(),
                     [](const auto& name) { return name == "config.json" || is_weights(name); });
}

bool is_diffusers_folder(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "model_index.json", ignored) ||
         is_part(folder / "transformer") || is_part(folder / "vae") ||
         is_part(folder / "text_encoder");
}

/// The transformer of a Wan folder: by its published name, else the only safetensors that is
/// nothing else.
std::string find_wan_transformer(const fs::path& folder) {
  const std::string published = find_weights(folder, "transformer", [](std::string_view name) {
    return is_safetensors(name) && name.starts_with("diffusion_pytorch_model");
  });
  if (!published.empty()) return published;
  return find_weights(folder, "transformer", [](std::string_view name) {
    return is_safetensors(name) && !names_vae(name) && !names_text_encoder(name);
  });
}

void open_wan(const fs::path& folder, const std::string& transformer_file,
              CheckpointFolder& opened) {
  const std::string where = folder.string();
  opened.layout = Layout::wan;
  const std::string transformer =
      transformer_file.empty() ? find_wan_transformer(folder) : transformer_file;
  opened.transformer = open_network(transformer, Network::transformer, where);
  opened.vae = open_network(
      find_weights(folder, "VAE",
                   [](std::string_view name) { return is_weights(name) && names_vae(name); }),
      Network::vae, where);
  opened.text_encoder = open_network(
      find_weights(
          folder, "text encoder",
          [](std::string_view name) { return is_weights(name) && names_text_encoder(name); }),
      Network::text_encoder, where);
  opened.transformer_config = read_config(folder / "config.json");
}

void open_diffusers(const fs::path& folder, const std::string& transformer_file,
                    CheckpointFolder& opened) {
  opened.layout = Layout::diffusers;
  const auto part = [&](const char* name, Network network, std::string& config) {
    config = read_config(folder / name / "config.json");
    return open_network(find_weights(folder / name, name_of(network), is_weights), network,
                        folder.string());
  };
  if (transformer_file.empty()) {
    const std::string beside = find_weights(folder, "transformer", [](std::string_view name) {
      return is_safetensors(name) && name.starts_with("diffusion_pytorch_model");
    });
    require(beside.empty() || !is_part(folder / "transformer"), ExitCode::input,
            "'{}' holds two transformers, '{}' and '{}' (a Wan and a diffusers checkpoint in one "
            "folder); move one elsewhere",
            folder.string(), beside, (folder / "transformer").string());
    opened.transformer = part("transformer", Network::transformer, opened.transformer_config);
  } else {
    opened.transformer_config = read_config(folder / "transformer" / "config.json");
    opened.transformer = open_network(transformer_file, Network::transformer, folder.string());
  }
  opened.vae = part("vae", Network::vae, opened.vae_config);
  opened.text_encoder = part("text_encoder", Network::text_encoder, opened.text_encoder_config);
}

[[noreturn]] void fail_unrecognised(const fs::path& folder) {
  std::vector<std::string> entries = list(folder, false);
  for (const auto& name : list(folder, true)) entries.push_back(name + "/");
  const std::size_t count = entries.size();
  if (count > 20) entries.resize(20);
  for (auto& entry : entries) entry = shown(entry);
  fail(ExitCode::input,
       "'{}' is no checkpoint that is known. Looked for the original Wan layout "
       "(diffusion_pytorch_model*.safetensors with config.json, *VAE*.pth, models_t5_*.pth, "
       "google/umt5-xxl/) and the diffusers layout (model_index.json, transformer/, vae/, "
       "text_encoder/, "
       "tokenizer/). There {} {}: {}{}; name the folder of a checkpoint",
       folder.string(), count == 1 ? "is" : "are",
       count == 0 ? "no files" : fmt::format("{} entries", count), fmt::join(entries, ", "),
       count > entries.size() ? ", …" : "");
}

}  // namespace

CheckpointFolder open_checkpoint(const std::string& path, const std::string& transformer_file) {
  std::error_code error;
  require(fs::exists(path, error), ExitCode::input,
          "there is no checkpoint at '{}' ({}); check model.path", path,
          error ? error.message() : "no such file or folder");
  fs::path folder = path;
  std::string transformer = transformer_file;
  if (!fs::is_directory(folder, error)) {
    if (transformer.empty() && is_weights(path)) transformer = path;
    folder = folder.has_parent_path() ? folder.parent_path() : fs::path(".");
  }
  CheckpointFolder opened;
  opened.path = folder.string();
  if (is_diffusers_folder(folder)) {
    open_diffusers(folder, transformer, opened);
  } else {
    open_wan(folder, transformer, opened);
  }
  // A configuration or a tokenizer alone is no checkpoint, and may be anybody's.
  if (!opened.transformer && !opened.vae && !opened.text_encoder) fail_unrecognised(folder);
  opened.tokenizer_folder = find_tokenizer(folder);
  return opened;
}

}  // namespace causeway
