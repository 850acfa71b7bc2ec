// What a run leaves on disk, and finding it again.
#include "batch/run_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "batch/config_printer.hpp"
#include "batch/config_reader.hpp"
#include "output/output.hpp"

namespace causeway {
namespace {

namespace fs = std::filesystem;

/// What decides the pixels: everything else may change between two runs into one folder.
std::string what_differs(const Config& before, const Config& now) {
  if (before.model != now.model) return "model";
  if (before.seed != now.seed) return "seed";
  if (before.video != now.video) return "video";
  if (before.rollout != now.rollout) return "rollout";
  return "";
}

/// Names of complete files "ID.h5", "ID.mp4" in all numbered folders.
std::unordered_set<std::string> finished_files(const fs::path& samples) {
  std::unordered_set<std::string> names;
  std::error_code error;
  if (!fs::exists(samples, error)) return names;
  try {
    for (const auto& folder : fs::directory_iterator(samples)) {
      if (!folder.is_directory()) continue;
      for (const auto& file : fs::directory_iterator(folder.path())) {
        std::string name = file.path().filename().string();
        if (!name.starts_with('.')) names.insert(std::move(name));
      }
    }
  } catch (const fs::filesystem_error& problem) {
    fail(ExitCode::output, "cannot see which samples are done: {}; check the output folder",
         problem.what());
  }
  return names;
}

/// From a sample's id to the content it was made from; lines that a crash cut off are skipped.
std::unordered_map<std::string, std::string> journalled(const fs::path& journal) {
  std::unordered_map<std::string, std::string> contents;
  std::ifstream lines(journal);
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!entry.is_object() || !entry.contains("id") || !entry.contains("content")) continue;
    if (!entry["id"].is_string() || !entry["content"].is_string()) continue;
    contents[entry["id"].get<std::string>()] = entry["content"].get<std::string>();
  }
  return contents;
}

}  // namespace

void RunDirectory::check(const Config& config) const {
  std::error_code error;
  if (!fs::exists(config_file(), error)) return;
  const std::string part = what_differs(read_config(config_file()), config);
  require(part.empty(), ExitCode::usage,
          "output folder '{}' holds videos of another configuration ('{}' differs from its "
          "config.yaml); "
          "choose another folder, or the same settings to go on",
          root_.string(), part);
}

void RunDirectory::open(const Config& config) const {
  make_directories(samples());
  write_text_atomically(config_file(), print_config(config));
}

std::vector<bool> RunDirectory::done(const SamplePlan& plan, const Config& config) const {
  const auto files = finished_files(samples());
  std::vector<bool> done(plan.samples.size(), false);
  if (files.empty()) return done;
  const auto contents = journalled(journal());
  for (std::size_t i = 0; i < done.size(); ++i) {
    const std::string& id = plan.samples[i].id;
    done[i] = (!config.latents.save || files.count(id + ".h5") != 0) &&
              (!config.encoding.save || files.count(id + ".mp4") != 0);
    const auto entry = contents.find(id);
    require(
        !done[i] || entry == contents.end() || entry->second == content_of(plan, plan.samples[i]),
        ExitCode::usage,
        "sample '{}' in '{}' was made from another line than the prompt list has now; give the "
        "line another "
        "id, or remove the sample's files",
        id, root_.string());
  }
  return done;
}

std::string content_of(const SamplePlan& plan, const Sample& sample) {
  return fmt::format("{:016x}", plan.prompt_of(sample).content_hash);
}

Journal::Journal(const fs::path& path) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail_output("open", path_, errno);
  // File systems without locks answer with another error; there the user must take care.
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(std::exchange(descriptor_, -1));
    fail(ExitCode::usage,
         "another run is writing into '{}'; wait for its end or choose another folder",
         path.parent_path().string());
  }
  // A line that a crash cut off must not swallow the next one.
  const off_t size = ::lseek(descriptor_, 0, SEEK_END);
  char last = '\n';
  if (size > 0 && ::pread(descriptor_, &last, 1, size - 1) == 1 && last != '\n') append("");
}

Journal::~Journal() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void Journal::append(const std::string& line) {
  const std::string text = line + "\n";
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(descriptor_, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_output("write", path_, errno);
    done += static_cast<std::size_t>(count);
  }
  if (::fsync(descriptor_) != 0) fail_output("sync", path_, errno);
}

}  // namespace causeway
