// Which of a machine's processors are near a GPU.
#include "batch/numa.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>
#include <sstream>

namespace causeway {
namespace {

std::string first_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// A whole number that is all of `text`; −1 if it is not.
int number_in(const std::string& text) {
  int number = -1;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end ? number : -1;
}

}  // namespace

std::vector<int> processor_list(const std::string& text) {
  std::vector<int> processors;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const auto dash = part.find('-');
    const int first = number_in(part.substr(0, dash));
    const int last = dash == std::string::npos ? first : number_in(part.substr(dash + 1));
    if (first < 0 || last < first || last >= CPU_SETSIZE) return {};
    for (int processor = first; processor <= last; ++processor) processors.push_back(processor);
  }
  return processors;
}

NumaNode numa_node_of(std::string pci, const std::filesystem::path& sysfs) {
  std::transform(pci.begin(), pci.end(), pci.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  NumaNode node;
  node.number = number_in(first_line(sysfs / "bus/pci/devices" / pci / "numa_node"));
  if (node.number >= 0) {
    const auto name = "node" + std::to_string(node.number);
    node.processors = processor_list(first_line(sysfs / "devices/system/node" / name / "cpulist"));
  }
  return node;
}

bool bind_to(const NumaNode& node) {
  cpu_set_t allowed, near;
  if (node.processors.empty() || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
  if (CPU_COUNT(&allowed) < sysconf(_SC_NPROCESSORS_ONLN)) return false;
  CPU_ZERO(&near);
  for (const int processor : node.processors) CPU_SET(static_cast<std::size_t>(processor), &near);
  CPU_AND(&near, &near, &allowed);
  return CPU_COUNT(&near) > 0 && sched_setaffinity(0, sizeof near, &near) == 0;
}

}  // namespace causeway
