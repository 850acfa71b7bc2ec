// What subcommands of several ranks share: MPI, and one exit code whatever goes wrong.
#include <cstdio>
#include <exception>
#include <sstream>

#include "batch/agreement.hpp"
#include "options.hpp"

namespace causeway {

int under_mpi(int* argc, char*** argv, const std::function<int(Process&)>& work) {
  const auto process = make_mpi_process(argc, argv);
  try {
    return work(*process);
  } catch (const AgreedError& error) {
    if (error.to_be_printed()) std::fprintf(stderr, "causeway: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    // Thrown outside an agreed phase: the other ranks may wait for this one.
    std::fprintf(stderr, "causeway: rank %d: %s\n", process->world().rank(), error.what());
    std::fflush(stderr);
    const auto* known = dynamic_cast<const Error*>(&error);
    const ExitCode code = known != nullptr ? known->code() : ExitCode::internal;
    if (process->world().size() > 1) process->abort(code);
    return static_cast<int>(code);
  }
}

std::size_t whole_number(const std::string& option, const std::string& text, std::size_t least,
                         std::size_t most) {
  std::size_t value = 0;
  std::istringstream stream(text);
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  require(digits && static_cast<bool>(stream >> value) && value >= least && value <= most,
          ExitCode::usage, "{} is '{}' (a whole number from {} to {} is needed)", option, text,
          least, most);
  return value;
}

std::string only_config(const std::vector<std::string>& files, const char* command) {
  require(files.size() <= 1, ExitCode::usage,
          "{} configuration files are given ('{}', '{}'); one is needed", files.size(),
          files.empty() ? "" : files[0], files.size() < 2 ? "" : files[1]);
  require(!files.empty(), ExitCode::usage, "no configuration file; try causeway {} --help",
          command);
  return files[0];
}

}  // namespace causeway
