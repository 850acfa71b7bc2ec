// bf16 numbers where kernels on a GPU reach them: the `Array` of library_cases.hpp there.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/bfloat16.hpp"

namespace causeway::testing {

struct CudaFree {
  void operator()(void* pointer) const { cudaFree(pointer); }
};

class OnDevice {
 public:
  explicit OnDevice(const std::vector<float>& values) : count_(values.size()) {
    std::vector<bfloat16> words(count_);
    for (std::size_t i = 0; i < count_; ++i) words[i] = to_bfloat16(values[i]);
    void* pointer = nullptr;
    EXPECT_EQ(cudaMalloc(&pointer, bytes()), cudaSuccess);
    memory_.reset(pointer);
    EXPECT_EQ(cudaMemcpy(pointer, words.data(), bytes(), cudaMemcpyHostToDevice), cudaSuccess);
  }

  void* data() const { return memory_.get(); }
  std::vector<float> values() const {
    std::vector<bfloat16> words(count_);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    EXPECT_EQ(cudaMemcpy(words.data(), data(), bytes(), cudaMemcpyDeviceToHost), cudaSuccess);
    std::vector<float> values(count_);
    for (std::size_t i = 0; i < count_; ++i) values[i] = to_float(words[i]);
    return values;
  }

 private:
  std::size_t bytes() const { return count_ * sizeof(bfloat16); }
  std::size_t count_;
  std::unique_ptr<void, CudaFree> memory_;
};

}  // namespace causeway::testing
