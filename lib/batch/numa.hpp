// Which of a machine's processors are near a GPU.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace causeway {

/// "0-3,8" → 0, 1, 2, 3, 8; nothing where `text` is no such list of Linux's.
std::vector<int> processor_list(const std::string& text);

/// A part of a machine with memory of its own, and its processors.
struct NumaNode {
  int number = -1;  ///< −1: the machine does not say
  std::vector<int> processors;
};

/// The node that a PCI device ("0000:18:00.0") hangs on, as Linux tells under `sysfs`.
NumaNode numa_node_of(std::string pci, const std::filesystem::path& sysfs = "/sys");

/// Binds this thread, and those that it starts, to the node's processors, unless a launcher has
/// bound it to some of the machine's. Returns whether it did.
bool bind_to(const NumaNode& node);

}  // namespace causeway
