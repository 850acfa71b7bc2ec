// `causeway bench`: a configuration's videos for their times alone.
#include <iostream>

#include "batch/agreement.hpp"
#include "batch/bench.hpp"
#include "options.hpp"
#include "parsing.hpp"

namespace causeway {
namespace {

namespace po = boost::program_options;

constexpr const char* usage =
    "usage: causeway bench CONFIG [options]\n"
    "\n"
    "Makes videos of the configuration's model, size and job groups, writes none of them, and "
    "tells how long every\n"
    "chunk took. Needs neither prompts nor an output folder. Under mpirun or srun all job groups "
    "work at the same time.\n"
    "\n";

struct Request {
  BenchOptions bench;
  bool help = false;
};

po::options_description described() {
  po::options_description options("options");
  options.add_options()("help,h", "this text")  //
      ("videos", po::value<std::string>()->value_name("N"),
       "videos of each job group that count, after one to warm up (3)")  //
      ("json", po::value<std::string>()->value_name("FILE"),
       "write every figure of every video there")  //
      ("set", po::value<std::vector<std::string>>()->composing()->value_name("KEY=VALUE"),
       "set one key of the configuration, e.g. --set video.frames=33; may be repeated")  //
      ("show-placement", "print which rank works on which machine and device, in which job group");
  return options;
}

Request read_arguments(const Arguments& arguments) {
  const po::variables_map values = parse(arguments, described(), "config", "bench");
  Request request;
  request.help = values.count("help") != 0;
  if (request.help) return request;
  request.bench.show_placement = values.count("show-placement") != 0;
  request.bench.overrides.set = values_of(values, "set");
  if (values.count("json") != 0) request.bench.json_file = values["json"].as<std::string>();
  if (values.count("videos") != 0) {
    request.bench.videos = static_cast<int>(
        whole_number("--videos", values["videos"].as<std::string>(), 1, 1'000'000));
  }
  request.bench.config_file = only_config(values_of(values, "config"), "bench");
  return request;
}

}  // namespace

int bench_command(const Arguments& arguments, int* argc, char*** argv) {
  return under_mpi(argc, argv, [&](Process& process) {
    Request request;
    collectively(process.world(), [&] { request = read_arguments(arguments); });
    if (request.help) {
      if (process.world().rank() == 0) std::cout << usage << described();
      return 0;
    }
    return static_cast<int>(run_bench(process, request.bench));
  });
}

}  // namespace causeway
