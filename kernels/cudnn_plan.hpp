// A graph of cuDNN's with the plan that was chosen for it.
#pragma once

#include <optional>
#include <string>

#include "kernels/cudnn_graphs.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

struct CudnnPlan {
  CudnnGraph graph;
  int chosen = 0;
  std::size_t workspace = 0;  ///< bytes

  template <class Shape>
  CudnnPlan(const Shape& shape, const GraphDevice& device) : graph(shape, device) {}

  /// False where this candidate does not work.
  bool build(int candidate) {
    if (!graph.build(candidate)) return false;
    chosen = candidate;
    workspace = graph.workspace_bytes(candidate);
    return true;
  }
  /// The one with this name; false where there is none.
  bool build_named(const std::string& name) {
    for (int i = 0; i < graph.candidates(); ++i) {
      if (graph.name(i) == name) return build(i);
    }
    return false;
  }
  /// The likeliest that works.
  bool build_first() {
    for (int i = 0; i < graph.candidates(); ++i) {
      if (build(i)) return true;
    }
    return false;
  }
  std::string name() const { return graph.name(chosen); }
};

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
