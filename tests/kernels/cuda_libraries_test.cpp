// What NVIDIA's libraries do in place of the plain CUDA kernels, compared with those on a GPU.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"
#include "kernels/library_cases.hpp"
#include "kernels/on_device.hpp"
#include "support/compare.hpp"

namespace causeway::testing {
namespace {

using namespace causeway::kernels;

/// Both round weights and results to bf16, at different places.
constexpr double allowed = 6e-3;

class CudaLibraries : public LibrariesOnGpu {};

TEST_F(CudaLibraries, AttendAsThePlainKernelDoes) {
  for (const AttentionCase& c : {AttentionCase{12, 128, 300, 777, 0.0f},
                                 {2, 128, 4680, 4680, 0.0f},
                                 {12, 128, 300, 201, 5.7f, 64},
                                 {12, 128, 300, 202, 5.7f},
                                 {12, 128, 300, 202, 1.1f},  // the same graph, another bias
                                 {4, 48, 192, 576, 0.0f},
                                 {4, 48, 192, 12, 3.0f},
                                 {1, 64, 1, 1, 0.0f},
                                 {1, 384, 240, 240, 0.0f}}) {
    EXPECT_LT(relative_l2(attend<OnDevice>(libraries(), c), attend<OnDevice>(plain(), c)), allowed)
        << c.heads << " x " << c.head_dim << ", " << c.queries << " queries, " << c.keys
        << " keys, bias " << c.last_key_bias;
  }
}

TEST_F(CudaLibraries, ConvolveAsThePlainKernelDoes) {
  using Three = std::array<std::int64_t, 3>;
  constexpr Three ones{1, 1, 1}, none{0, 0, 0}, around{0, 1, 1};
  const ConvolutionCase cases[] = {
      {96, 96, {3, 3, 3}, ones, around, around, {3, 30, 52}},
      {96, 96, {3, 3, 3}, ones, around, around, {3, 30, 52}, false},
      {384, 384, {3, 3, 3}, ones, {2, 1, 1}, around, {4, 15, 13}},  // causal inside
      {16, 384, {3, 3, 3}, ones, around, around, {3, 15, 26}},
      {384, 768, {3, 1, 1}, ones, none, none, {3, 15, 26}},
      {384, 192, {1, 3, 3}, ones, around, around, {1, 30, 52}},
      {96, 3, {3, 3, 3}, ones, around, around, {3, 31, 27}},
      {3, 96, {3, 3, 3}, ones, around, around, {3, 32, 32}},
      {96, 96, {1, 3, 3}, {1, 2, 2}, none, around, {1, 32, 32}},
      {96, 96, {3, 1, 1}, {2, 1, 1}, none, none, {3, 16, 16}},
      {5, 7, {1, 3, 3}, ones, around, around, {1, 9, 9}},
  };
  for (const auto& c : cases) {
    EXPECT_LT(relative_l2(convolve<OnDevice>(libraries(), c), convolve<OnDevice>(plain(), c)),
              allowed)
        << c.in << " to " << c.out << ", kernel " << c.kernel[0] << c.kernel[1] << c.kernel[2];
  }
}

TEST_F(CudaLibraries, TakeUpWhatTheyFoundOutBefore) {
  const ConvolutionCase c{32, 64, {3, 3, 3}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, {3, 16, 16}};
  const auto before = convolve<OnDevice>(libraries(), c);
  const std::string found = libraries().choices();
  EXPECT_NE(found.find(" on compute capability "), std::string::npos);
  libraries().use_choices(found);
  libraries().use_choices("of another library\nconvolution 1 2 3 nonsense\n");
  EXPECT_EQ(libraries().choices(), found);
  EXPECT_EQ(convolve<OnDevice>(libraries(), c), before);
}

}  // namespace
}  // namespace causeway::testing
