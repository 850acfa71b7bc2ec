// The face of lib/batch: one batch, from its configuration to its report.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "batch/config_reader.hpp"
#include "comm/comm.hpp"

namespace causeway {

/// What the command line of `causeway generate` says.
struct BatchOptions {
  std::string config_file;
  ConfigOverrides overrides;
  std::optional<std::size_t> limit;  ///< at most so many samples, in the order of the list
  bool show_placement = false;       ///< print which rank works where
  bool dry_run = false;              ///< check everything, say what would be done, write nothing
};

/// The text of `causeway --version`: how the program was built, and what its libraries offer here.
std::string program_description();

/// Runs one batch on all ranks of `process`; collective. Rank 0 prints progress to standard error
/// and the closing table to standard output. Returns `success`, `some_samples_failed`, or the code
/// of what stopped the run early. Throws AgreedError on all ranks where the batch cannot start.
ExitCode run_batch(Process& process, const BatchOptions& options);

}  // namespace causeway
