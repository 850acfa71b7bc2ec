// Reading a subcommand's arguments with Boost.Program_options.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

#include "options.hpp"

namespace causeway {

/// What was given: the options that are `described`, and beside them any number of `positional`
/// arguments. Throws Error(usage), which points to the subcommand's --help.
boost::program_options::variables_map parse(
    const Arguments& arguments, const boost::program_options::options_description& described,
    const char* positional, const char* command);

/// The values of an option or positional argument; none where it was not given.
std::vector<std::string> values_of(const boost::program_options::variables_map& given,
                                   const char* name);

}  // namespace causeway
