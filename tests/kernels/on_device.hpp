// What tests of NVIDIA's libraries on a GPU share: bf16 numbers where kernels reach them (the
// `Array` of library_cases.hpp), and both tables.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/bfloat16.hpp"
#include "kernels/kernels.hpp"

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

/// Skipped where there is no GPU that this build has code for.
class LibrariesOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    int count = 0;
    const bool there = cudaGetDeviceCount(&count) == cudaSuccess && count > 0 &&
                       plain().measure_peak(ElementType::f32) > 0.0;
    if (!there) GTEST_SKIP() << "this machine cannot run gpu";
    ASSERT_EQ(kernels::cuda_libraries_problem(), nullptr) << kernels::cuda_libraries_problem();
  }
  static const kernels::Kernels& plain() { return *kernels::cuda_kernels(true); }
  static const kernels::Kernels& libraries() { return *kernels::cuda_kernels(false); }
};

}  // namespace causeway::testing
