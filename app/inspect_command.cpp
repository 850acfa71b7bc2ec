// `causeway inspect`: what a checkpoint, an HDF5 file or a run folder holds.
#include <boost/program_options.hpp>
#include <iostream>

#include "batch/inspect.hpp"
#include "core/core.hpp"
#include "options.hpp"

namespace causeway {

namespace po = boost::program_options;

int inspect_command(const Arguments& arguments) {
  po::options_description options("options");
  options.add_options()("help,h", "this text")("json", "for machines");
  po::options_description all = options;
  all.add_options()("path", po::value<std::vector<std::string>>());
  po::positional_options_description positional;
  positional.add("path", -1);
  po::variables_map values;
  try {
    po::store(po::command_line_parser(arguments).options(all).positional(positional).run(), values);
  } catch (const po::error& error) {
    fail(ExitCode::usage, "{}; try causeway inspect --help", error.what());
  }
  if (values.count("help") != 0) {
    std::cout << "usage: causeway inspect PATH [--json]\n\n"
                 "PATH is a checkpoint folder, a tensor file (.safetensors, .pt, .pth, a sharded "
                 "index), an HDF5 file\n"
                 "of latents, or the output folder of a run (samples done and missing).\n\n"
              << options;
    return 0;
  }
  const auto paths = values.count("path") != 0 ? values["path"].as<std::vector<std::string>>()
                                               : std::vector<std::string>();
  require(paths.size() == 1, ExitCode::usage,
          "{} paths are given; one is needed (try causeway inspect --help)", paths.size());
  std::cout << inspect(paths[0], values.count("json") != 0);
  return 0;
}

}  // namespace causeway
