// `causeway generate`: the main job.
#include <iostream>
#include <limits>

#include "batch/agreement.hpp"
#include "batch/batch.hpp"
#include "batch/config_printer.hpp"
#include "options.hpp"
#include "parsing.hpp"

namespace causeway {
namespace {

namespace po = boost::program_options;

constexpr const char* usage =
    "usage: causeway generate CONFIG [options]\n"
    "       causeway generate --print-config [CONFIG]\n"
    "\n"
    "Makes every video of a prompt list: HDF5 latents and MP4 files under OUT/samples, a journal, "
    "a log and\n"
    "report.json beside them. Called again on the same folder it makes only what is missing. Under "
    "mpirun or\n"
    "srun the ranks form job groups (parallel.group_size); alone it is one rank.\n"
    "\n";

struct Request {
  BatchOptions batch;
  bool help = false, print_config = false;
};

po::options_description described() {
  po::options_description options("options");
  options.add_options()("help,h", "this text")  //
      ("prompts", po::value<std::string>()->value_name("FILE"),
       "prompt list (.txt, .jsonl, .csv), in place of the configuration's")  //
      ("out", po::value<std::string>()->value_name("DIR"),
       "output folder, in place of the configuration's")  //
      ("set", po::value<std::vector<std::string>>()->composing()->value_name("KEY=VALUE"),
       "set one key of the configuration, e.g. --set video.frames=33; may be repeated")  //
      ("limit", po::value<std::string>()->value_name("N"),
       "make at most the first N samples of the list")  //
      ("show-placement",
       "print which rank works on which machine and device, in which job group")  //
      ("dry-run",
       "check configuration, prompts and checkpoint, say what would be done, write nothing")  //
      ("print-config", "print the configuration as understood, every default filled in, and stop");
  return options;
}

Request read_arguments(const Arguments& arguments) {
  const po::variables_map values = parse(arguments, described(), "config", "generate");
  Request request;
  request.help = values.count("help") != 0;
  request.print_config = values.count("print-config") != 0;
  request.batch.dry_run = values.count("dry-run") != 0;
  request.batch.show_placement = values.count("show-placement") != 0;
  if (values.count("prompts") != 0)
    request.batch.overrides.prompts = values["prompts"].as<std::string>();
  if (values.count("out") != 0) request.batch.overrides.output = values["out"].as<std::string>();
  request.batch.overrides.set = values_of(values, "set");
  if (values.count("limit") != 0)
    request.batch.limit = whole_number("--limit", values["limit"].as<std::string>(), 0,
                                       std::numeric_limits<std::size_t>::max());
  const auto files = values_of(values, "config");
  if (!files.empty() || !(request.help || request.print_config))
    request.batch.config_file = only_config(files, "generate");
  return request;
}

int run(Process& process, const Arguments& arguments) {
  // Every rank reads the same arguments and comes to the same end; rank 0 speaks for all.
  Request request;
  collectively(process.world(), [&] { request = read_arguments(arguments); });
  const bool root = process.world().rank() == 0;
  if (request.help) {
    if (root) std::cout << usage << described();
    return 0;
  }
  if (request.print_config) {
    collectively(process.world(), [&] {
      if (!root) return;
      request.batch.overrides.may_be_incomplete = true;
      const Config config =
          request.batch.config_file.empty()
              ? parse_config({"model:\n", "defaults", {}}, request.batch.overrides)
              : read_config(request.batch.config_file, request.batch.overrides);
      std::cout << print_config(config);
    });
    return 0;
  }
  return static_cast<int>(run_batch(process, request.batch));
}

}  // namespace

int generate_command(const Arguments& arguments, int* argc, char*** argv) {
  return under_mpi(argc, argv, [&](Process& process) { return run(process, arguments); });
}

}  // namespace causeway
