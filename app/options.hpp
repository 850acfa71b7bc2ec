// The subcommands of the program and what they share.
#pragma once

#include <string>
#include <vector>

namespace causeway {

/// Arguments after the subcommand.
using Arguments = std::vector<std::string>;

/// `causeway generate`: runs under mpirun or srun, or alone. Returns the process's exit code.
int generate_command(const Arguments& arguments, int* argc, char*** argv);

/// `causeway inspect`: tells what a checkpoint, an HDF5 file or a run directory holds.
int inspect_command(const Arguments& arguments);

}  // namespace causeway
