// Reading a subcommand's arguments with Boost.Program_options.
#include "parsing.hpp"

#include "core/core.hpp"

namespace causeway {

namespace po = boost::program_options;

po::variables_map parse(const Arguments& arguments, const po::options_description& described,
                        const char* positional, const char* command) {
  po::options_description all = described;
  all.add_options()(positional, po::value<std::vector<std::string>>());
  po::positional_options_description places;
  places.add(positional, -1);
  po::variables_map given;
  try {
    po::store(po::command_line_parser(arguments).options(all).positional(places).run(), given);
    po::notify(given);
  } catch (const po::error& error) {
    fail(ExitCode::usage, "{}; try causeway {} --help", error.what(), command);
  }
  return given;
}

std::vector<std::string> values_of(const po::variables_map& given, const char* name) {
  return given.count(name) != 0 ? given[name].as<std::vector<std::string>>()
                                : std::vector<std::string>();
}

}  // namespace causeway
