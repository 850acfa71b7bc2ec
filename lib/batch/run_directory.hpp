// The output folder of a run: where files lie and which samples are done.
#pragma once

#include <cstddef>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "batch/config.hpp"
#include "batch/sample_plan.hpp"

namespace causeway {

/// OUT/config.yaml, OUT/samples/NNNN/ID.h5 and .mp4, OUT/journal.jsonl, OUT/causeway.log,
/// OUT/report.json.
class RunDirectory {
 public:
  /// Only names the folder; touches nothing.
  explicit RunDirectory(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path config_file() const { return root_ / "config.yaml"; }
  std::filesystem::path journal() const { return root_ / "journal.jsonl"; }
  std::filesystem::path log() const { return root_ / "causeway.log"; }
  std::filesystem::path report() const { return root_ / "report.json"; }
  std::filesystem::path samples() const { return root_ / "samples"; }
  std::filesystem::path latents(const std::string& stem) const {
    return samples() / (stem + ".h5");
  }
  std::filesystem::path video(const std::string& stem) const { return samples() / (stem + ".mp4"); }

  /// If there is a config.yaml already, its videos must have been made with the same model, seed,
  /// video and rollout settings: else Error(usage) names what differs.
  void check(const Config& config) const;
  /// Makes the folder and writes config.yaml. Throws Error(output).
  void open(const Config& config) const;
  /// For each sample of the plan whether all files that `config` asks for are there. A sample that
  /// an earlier run put into another folder (the list has changed since) counts as done where it
  /// lies.
  /// Throws Error(usage) where the journal says that an id was made from another line than the list
  /// has now.
  std::vector<bool> done(const SamplePlan& plan, const Config& config) const;

 private:
  std::filesystem::path root_;
};

/// What a sample's line asks for, as the journal keeps it (16 hexadecimal digits).
std::string content_of(const SamplePlan& plan, const Sample& sample);

/// Appends lines to a file, each on disk before the call returns. Nobody else can have the same
/// file open as a journal meanwhile. Throws Error(output), Error(usage) where another run has it.
class Journal {
 public:
  explicit Journal(const std::filesystem::path& path);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  void append(const std::string& line);

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace causeway
