// What communicators of devices share: agreeing on a problem.
#include "comm/device_comm.hpp"

namespace causeway {

std::string DeviceCommunicator::first_problem(const std::string& own) {
  const auto problems = host().gather(own, 0);
  std::string first;
  for (std::size_t r = 0; r < problems.size() && first.empty(); ++r) {
    if (!problems[r].empty()) first = fmt::format("rank {}: {}", r, problems[r]);
  }
  return host().broadcast(first, 0);
}

}  // namespace causeway
