// The subcommands of the program and what they share.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace causeway {

class Process;

/// Arguments after the subcommand.
using Arguments = std::vector<std::string>;

/// `causeway generate`: runs under mpirun or srun, or alone. Returns the process's exit code.
int generate_command(const Arguments& arguments, int* argc, char*** argv);

/// `causeway bench`: makes videos for their times alone. Likewise.
int bench_command(const Arguments& arguments, int* argc, char*** argv);

/// `causeway inspect`: tells what a checkpoint, an HDF5 file or a run directory holds.
int inspect_command(const Arguments& arguments);

/// Starts MPI, does `work` on every rank, and turns what it throws into a message and an exit code.
int under_mpi(int* argc, char*** argv, const std::function<int(Process&)>& work);

/// The value of an option. Throws Error(usage) where it is no whole number from `least` to `most`.
std::size_t whole_number(const std::string& option, const std::string& text, std::size_t least,
                         std::size_t most);

/// The one configuration file of a subcommand. Throws Error(usage) where there is none, or more.
std::string only_config(const std::vector<std::string>& files, const char* command);

}  // namespace causeway
