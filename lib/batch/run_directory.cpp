// What a run leaves on disk, and finding it again.
#include "batch/run_directory.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <unordered_set>

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
  for (fs::directory_iterator folder(samples, error), end; !error && folder != end;
       folder.increment(error)) {
    if (!folder->is_directory(error)) continue;
    for (fs::directory_iterator file(folder->path(), error), last; !error && file != last;
         file.increment(error)) {
      std::string name = file->path().filename().string();
      if (!name.starts_with('.')) names.insert(std::move(name));
    }
  }
  return names;
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
  for (std::size_t i = 0; i < done.size(); ++i) {
    const std::string& id = plan.samples[i].id;
    done[i] = (!config.latents.save || files.count(id + ".h5") != 0) &&
              (!config.encoding.save || files.count(id + ".mp4") != 0);
  }
  return done;
}

Journal::Journal(const fs::path& path) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail_output("open", path_, errno);
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
