// The program: a command line in, one exit code out.
#include <cstdio>
#include <exception>
#include <string>

#include "batch/batch.hpp"
#include "core/core.hpp"
#include "options.hpp"

namespace {

constexpr const char* help =
    "causeway makes videos from lists of prompts, chunk by chunk, on one machine or many.\n"
    "\n"
    "usage:\n"
    "  causeway generate CONFIG [options]   make every video of a prompt list (see generate "
    "--help)\n"
    "  causeway bench CONFIG [options]      make videos for their times alone (see bench --help)\n"
    "  causeway inspect PATH [--json]       what a checkpoint, an HDF5 file or a run folder holds\n"
    "  causeway --version                   version, commit, compilers, libraries\n"
    "  causeway --help                      this text\n"
    "\n"
    "On several processes: mpirun -n 4 causeway generate run.yaml, or srun in a Slurm job.\n"
    "Exit codes: 0 all done; 1 some samples failed; 2 usage or configuration; 3 input file; 4 "
    "device;\n"
    "5 communication; 6 output; 70 a bug in causeway.\n";

int run(int& argc, char**& argv) {
  const causeway::Arguments arguments(argv + (argc > 1 ? 2 : 1), argv + argc);
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "generate") return causeway::generate_command(arguments, &argc, &argv);
  if (command == "bench") return causeway::bench_command(arguments, &argc, &argv);
  if (command == "inspect") return causeway::inspect_command(arguments);
  if (command == "--version" || command == "version") {
    std::fputs(causeway::program_description().c_str(), stdout);
    return 0;
  }
  if (command == "--help" || command == "-h" || command == "help") {
    std::fputs(help, stdout);
    return 0;
  }
  if (command.empty()) {
    std::fputs(help, stderr);
  } else {
    std::fprintf(stderr,
                 "causeway: unknown command '%s'; it knows generate, bench and inspect (try "
                 "causeway --help)\n",
                 command.c_str());
  }
  return static_cast<int>(causeway::ExitCode::usage);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const causeway::Error& error) {
    std::fprintf(stderr, "causeway: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "causeway: %s (this is a bug in Causeway; please report it)\n",
                 error.what());
    return static_cast<int>(causeway::ExitCode::internal);
  }
}
