// `causeway bench`: how fast this machine makes the videos of a configuration, and where time goes.
#pragma once

#include <string>

#include "batch/config_reader.hpp"
#include "comm/comm.hpp"

namespace causeway {

/// What the command line of `causeway bench` says.
struct BenchOptions {
  std::string config_file;
  ConfigOverrides overrides;
  int videos = 3;         ///< that every job group makes and that count, after one to warm up
  std::string json_file;  ///< all figures, not only medians; empty: none
  bool show_placement = false;
};

/// Makes the videos and throws them away; rank 0 prints a table. Collective; throws AgreedError.
ExitCode run_bench(Process& process, const BenchOptions& options);

}  // namespace causeway
