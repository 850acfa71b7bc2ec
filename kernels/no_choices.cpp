// The answers of a backend that has nothing to choose from.
//
// In a file of their own: code that is compiled for one instruction set must leave nothing behind
// that others share, and strings would.
#include "kernels/kernels.hpp"

namespace causeway::kernels {

std::string no_choices() { return {}; }
void use_no_choices(const std::string&) {}

}  // namespace causeway::kernels
