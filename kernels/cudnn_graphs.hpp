// Graphs of cuDNN's for what Causeway asks of it, each with the plans that the library offers.
//
// The same code makes them for the GPU of this process and, to see what the library supports, for
// one that is only described.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "kernels/cudnn_shapes.hpp"

struct cudnnContext;

namespace causeway::kernels::CAUSEWAY_DEVICE {

/// A GPU for which graphs are made. Without a handle it need not be there.
struct GraphDevice {
  cudnnContext* handle = nullptr;
  int capability = 0;      ///< 90 stands for 9.0
  std::string properties;  ///< where there is no handle: cuDNN's own description, in JSON
};

/// Where the tensors of a graph lie; `bias` counts where the shape has one, `lse` where it has
/// parts, and `lengths` [2, parts] int32 (queries, then keys) where one of them is shorter.
struct AttentionTensors {
  const void *q = nullptr, *k = nullptr, *v = nullptr, *bias = nullptr;
  void* y = nullptr;
  void* lse = nullptr;
  const std::int32_t* lengths = nullptr;
};
struct ConvolutionTensors {
  const void *x = nullptr, *weight = nullptr;  ///< weight [out, kt, kh, kw, in]
  const void* bias = nullptr;
  void* y = nullptr;
};

/// One graph. Its candidates are plans, the likeliest first; one must be built before it runs.
/// Throws std::exception alone.
class CudnnGraph {
 public:
  CudnnGraph(const AttentionShape& shape, const GraphDevice& device);
  CudnnGraph(const ConvolutionShape& shape, const GraphDevice& device);
  ~CudnnGraph();
  CudnnGraph(CudnnGraph&&) noexcept;
  CudnnGraph& operator=(CudnnGraph&&) noexcept;

  /// Why the library cannot do this; empty if it can.
  const std::string& problem() const;
  int candidates() const;  ///< 0 where there is a problem
  /// Says engine and settings; the same name means the same plan to one version of the library on
  /// one kind of GPU.
  std::string name(int candidate) const;
  /// May compile kernels, for a second or so. False where this candidate does not work.
  bool build(int candidate);
  std::size_t workspace_bytes(int candidate) const;  ///< of one that was built
  /// Starts a candidate that was built, on the stream of the handle.
  bool run(int candidate, const AttentionTensors& tensors, void* workspace) const;
  bool run(int candidate, const ConvolutionTensors& tensors, void* workspace) const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
