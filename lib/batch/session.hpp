// The ranks of a run with their devices, their job groups and their model: what every command that
// makes videos starts with.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "batch/config.hpp"
#include "batch/memory_check.hpp"
#include "batch/placement.hpp"
#include "comm/comm.hpp"
#include "model/model.hpp"

namespace causeway {

/// A configuration at all ranks, and its text with every default filled in.
struct SharedConfig {
  Config config;
  std::string text;
};

/// What `read` gives on rank 0, where alone it is called; collective over `world`. Throws
/// AgreedError on all ranks where it throws.
SharedConfig share_config(Communicator& world, const std::function<Config()>& read);

/// The largest video that a run will make.
struct LargestVideo {
  int frames = 0;        ///< 0: there is nothing to make
  bool goes_on = false;  ///< from a given video, which is encoded
};

/// Opened on all ranks together. Members marked collective are called by all ranks and throw
/// AgreedError on all where one fails.
class Session {
 public:
  /// Opens the rank's device and connects its job group; collective. Keeps references to both.
  Session(Process& process, const Config& config);
  /// The first rank of a machine writes down what its backend found out about itself.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Communicator& group() { return *group_; }
  const Communicator& group() const { return *group_; }
  int group_number() const { return place_.group; }
  int group_size() const { return group_size_; }
  int groups() const { return static_cast<int>(places_.size()) / group_size_; }
  int threads() const { return place_.threads; }
  const Ops& ops() const { return *ops_; }
  /// Of all ranks.
  const std::vector<Place>& places() const { return places_; }

  /// Refuses what a GPU has no room for, and decides about the text encoder's weights; collective.
  /// `largest` counts on rank 0. The plan of rank 0 where the device is a GPU and there is
  /// something to make.
  std::optional<MemoryPlan> check_memory(LargestVideo largest);

  /// Opens the checkpoint; on the group's first rank the tokenizer and text encoder, too. Call it
  /// where all ranks agree (`collectively`).
  void open_model();
  /// Loads what this rank runs: the transformer, the text encoder's matrices where they stay, and
  /// where it decodes the VAE's decoder. As above.
  void load_model();
  Model& model() { return *model_; }
  const Model& model() const { return *model_; }

 private:
  void open_device();
  /// Of this rank: as configured, else OMP_NUM_THREADS, else its share of the processors.
  int choose_threads() const;
  std::vector<MemoryPlan> plans_with(TextWeights text_weights, LargestVideo largest);
  std::vector<Place> places_of_group() const;

  Process* process_;
  const Config* config_;
  int group_size_;
  Place place_;
  bool bound_ = false;  ///< to the processors near its GPU
  std::vector<Place> places_;
  std::optional<Ops> ops_;
  std::unique_ptr<Communicator> group_;
  TextWeights text_weights_ = TextWeights::streamed;
  std::unique_ptr<Model> model_;
};

}  // namespace causeway
