// With what plans of a convolution are tried: memory on the device.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/cudnn_graphs.hpp"
#include "kernels/device_memory_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

/// Device memory that grows; what was in it is lost then.
class Block {
 public:
  bool grow(std::size_t bytes) {
    if (bytes <= bytes_) return true;
    memory_.reset();  // before the larger one is allocated
    memory_ = allocate_on_device(bytes);
    bytes_ = memory_ ? bytes : 0;
    return memory_ != nullptr;
  }
  void* data() const { return memory_.get(); }

 private:
  DeviceMemory memory_;
  std::size_t bytes_ = 0;
};

/// x, weight, bias and y of a convolution, to try plans with on a stream.
class Trial {
 public:
  Trial(const ConvolutionShape& s, cudaStream_t stream) : stream_(stream) {
    const auto volume = [](const std::array<std::int64_t, 3>& extents) {
      return extents[0] * extents[1] * extents[2];
    };
    const std::int64_t two = 2, weights = volume(s.kernel) * s.in_channels * s.out_channels;
    there_ = fill(x_, two * volume(s.input) * s.in_channels) && fill(weight_, two * weights) &&
             fill(bias_, two * s.out_channels) && fill(y_, two * volume(s.output) * s.out_channels);
  }
  bool is_there() const { return there_; }
  ConvolutionTensors tensors() const {
    return {x_.data(), weight_.data(), bias_.data(), y_.data()};
  }

 private:
  bool fill(Block& block, std::int64_t bytes) const {
    const auto size = static_cast<std::size_t>(bytes);
    return block.grow(size) && cudaMemsetAsync(block.data(), 0, size, stream_) == cudaSuccess;
  }
  cudaStream_t stream_;
  Block x_, weight_, bias_, y_;
  bool there_ = false;
};

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
