// `causeway inspect`: what a checkpoint, an HDF5 file or a run folder holds.
#include <iostream>

#include "batch/inspect.hpp"
#include "core/core.hpp"
#include "options.hpp"
#include "parsing.hpp"

namespace causeway {

namespace po = boost::program_options;

int inspect_command(const Arguments& arguments) {
  po::options_description options("options");
  options.add_options()("help,h", "this text")("json", "for machines");
  const po::variables_map values = parse(arguments, options, "path", "inspect");
  if (values.count("help") != 0) {
    std::cout << "usage: causeway inspect PATH [--json]\n\n"
                 "PATH is a checkpoint folder, a tensor file (.safetensors, .pt, .pth, a sharded "
                 "index), an HDF5 file\n"
                 "of latents, or the output folder of a run (samples done and missing).\n\n"
              << options;
    return 0;
  }
  const auto paths = values_of(values, "path");
  require(paths.size() == 1, ExitCode::usage,
          "{} paths are given; one is needed (try causeway inspect --help)", paths.size());
  std::cout << inspect(paths[0], values.count("json") != 0);
  return 0;
}

}  // namespace causeway
