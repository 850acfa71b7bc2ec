// Convolution against float64, all the shapes that the VAE has, sharing of weights, and its
// promises of bits.
#include <gtest/gtest.h>
#include <omp.h>

#include <cstring>
#include <memory>
#include <vector>

#include "kernels/cpu_backend.hpp"
#include "support/compare.hpp"
#include "support/conv_oracle.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {
namespace {

using kernels::Conv;
using kernels::ConvSpec;
using kernels::Status;
using Extent = std::array<std::int64_t, 3>;
using OwnedConv = std::unique_ptr<Conv, void (*)(Conv*)>;

/// oneDNN is behind every CPU backend, so the best one stands for all here.
class ConvOn : public OnBackend {
 protected:
  void SetUp() override {
    use(GetParam() == std::string("cpu") ? kernels::cpu_kernels() : backend_named(GetParam()));
  }
};
INSTANTIATE_TEST_SUITE_P(On, ConvOn, ::testing::Values("cpu", "cuda_on_host", "gpu"), backend_name);

constexpr ElementType types[] = {ElementType::f32, ElementType::bf16};

std::size_t weight_count(const ConvSpec& s) {
  return static_cast<std::size_t>(s.out_channels * s.in_channels * s.kernel[0] * s.kernel[1] *
                                  s.kernel[2]);
}

OwnedConv make_conv(const kernels::Kernels& backend, const ConvSpec& s, Numbers weight,
                    Numbers bias) {
  // Both arrays are gone when this returns, as a caller's may be.
  return {
      backend.conv_create(
          s, weight.view({s.out_channels, s.in_channels, s.kernel[0], s.kernel[1], s.kernel[2]}),
          bias.view({s.out_channels})),
      backend.conv_destroy};
}

/// Prepares and runs; the result, or a failure of the test.
Numbers run(const kernels::Kernels& backend, Conv* conv, const ConvSpec& s, const Extent& in,
            Numbers x) {
  const Extent out = conv_output_extent(s, in);
  Numbers y(s.compute, static_cast<std::size_t>(out[0] * out[1] * out[2] * s.out_channels), 99.0f);
  EXPECT_EQ(backend.conv_prepare(conv, in[0], in[1], in[2], nullptr), Status::ok);
  EXPECT_EQ(backend.conv(conv, x.view({in[0], in[1], in[2], s.in_channels}),
                         y.view({out[0], out[1], out[2], s.out_channels}), nullptr),
            Status::ok);
  return y;
}

Numbers random_input(const ConvSpec& s, const Extent& in, std::uint32_t seed) {
  return {s.compute,
          random_normal(static_cast<std::size_t>(in[0] * in[1] * in[2] * s.in_channels), seed)};
}

void expect_close(const Numbers& y, const std::vector<double>& oracle, ElementType type) {
  ASSERT_EQ(y.size(), oracle.size());
  EXPECT_LT(relative_l2(y, oracle), type == ElementType::bf16 ? 3e-3 : 2e-6);
  for (std::size_t i = 0; i < oracle.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(y[i]), oracle[i], type == ElementType::bf16 ? 0.04 : 2e-5) << i;
  }
}

/// A spec, an input extent.
struct Case {
  const char* what;
  ConvSpec spec;
  Extent input;
};

const Case cases[] = {
    {"one element", {1, 1, {1, 1, 1}, {1, 1, 1}, {}, {}}, {1, 1, 1}},
    {"pointwise", {16, 32, {1, 1, 1}, {1, 1, 1}, {}, {}}, {2, 3, 5}},
    {"causal, zero history", {16, 24, {3, 3, 3}, {1, 1, 1}, {2, 1, 1}, {0, 1, 1}}, {3, 5, 6}},
    {"causal, history given", {32, 32, {3, 3, 3}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}}, {3, 6, 7}},
    {"one frame with history", {32, 48, {3, 3, 3}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}}, {3, 4, 4}},
    {"odd channels", {5, 7, {3, 3, 3}, {1, 1, 1}, {2, 1, 1}, {0, 1, 1}}, {2, 4, 3}},
    {"first of the encoder", {3, 96, {3, 3, 3}, {1, 1, 1}, {2, 1, 1}, {0, 1, 1}}, {1, 6, 6}},
    {"head of the decoder", {96, 3, {3, 3, 3}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}}, {4, 5, 6}},
    {"spatial", {24, 16, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}}, {2, 6, 5}},
    {"spatial down", {16, 16, {1, 3, 3}, {1, 2, 2}, {0, 0, 0}, {0, 1, 1}}, {2, 6, 8}},
    {"temporal up", {16, 32, {3, 1, 1}, {1, 1, 1}, {2, 0, 0}, {0, 0, 0}}, {3, 3, 4}},
    {"temporal down", {16, 16, {3, 1, 1}, {2, 1, 1}, {0, 0, 0}, {0, 0, 0}}, {5, 3, 4}},
    {"kernel of two", {8, 8, {1, 2, 2}, {1, 2, 2}, {0, 0, 0}, {0, 0, 0}}, {2, 6, 6}},
    {"kernel of two, odd pads", {8, 8, {2, 2, 2}, {1, 1, 1}, {1, 0, 1}, {0, 1, 0}}, {3, 5, 4}},
};

TEST_P(ConvOn, MatchesFloat64InEveryShapeOfTheVae) {
  for (const auto& c : cases) {
    for (const ElementType type : types) {
      SCOPED_TRACE(std::string(c.what) + " " + name_of(type));
      ConvSpec spec = c.spec;
      spec.compute = type;
      const float size = 1.0f / std::sqrt(static_cast<float>(weight_count(spec)) /
                                          static_cast<float>(spec.out_channels));
      const Numbers weight(type, random_normal(weight_count(spec), 1, size));
      const Numbers bias(ElementType::f32,
                         random_normal(static_cast<std::size_t>(spec.out_channels), 2));
      const Numbers x = random_input(spec, c.input, 3);
      const OwnedConv conv = make_conv(backend(), spec, weight, bias);
      ASSERT_NE(conv, nullptr);
      expect_close(run(backend(), conv.get(), spec, c.input, x),
                   conv_oracle(spec, c.input, x, weight, bias), type);
    }
  }
}

TEST_P(ConvOn, TakesWeightsOfAnyStoredTypeAndAlignmentAndRoundsThemToItsOwn) {
  ConvSpec spec{6, 10, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}};
  const Extent in{2, 4, 5};
  for (const ElementType stored : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
    for (const ElementType type : types) {
      SCOPED_TRACE(std::string(name_of(stored)) + " for " + name_of(type));
      spec.compute = type;
      const Numbers weight(stored, random_normal(weight_count(spec), 4, 0.2f));
      const Numbers bias(stored, random_normal(10, 5));
      std::vector<std::byte> shifted(weight.size() * bytes_of(stored) + 1);
      std::memcpy(shifted.data() + 1, weight.data(), shifted.size() - 1);
      Numbers bias_copy = bias;
      const OwnedConv conv(
          backend().conv_create(spec, const_view_of(shifted.data() + 1, stored, {10, 6, 1, 3, 3}),
                                bias_copy.view({10})),
          backend().conv_destroy);
      ASSERT_NE(conv, nullptr);
      std::vector<float> rounded(weight.size());
      for (std::size_t i = 0; i < rounded.size(); ++i) rounded[i] = weight[i];
      const Numbers used(type, rounded);
      const Numbers x = random_input(spec, in, 6);
      expect_close(run(backend(), conv.get(), spec, in, x), conv_oracle(spec, in, x, used, bias),
                   type);
    }
  }
}

TEST_P(ConvOn, PlansOfSeveralExtentsShareOneCopyOfTheWeights) {
  for (const ElementType type : types) {
    ConvSpec spec{64, 64, {3, 3, 3}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}};
    spec.compute = type;
    const Numbers weight(type, random_normal(weight_count(spec), 1, 0.02f));
    const Numbers bias(ElementType::f32, random_normal(64, 2));
    const OwnedConv conv = make_conv(backend(), spec, weight, bias);
    const Extent extents[] = {{3, 16, 16}, {6, 16, 16}, {3, 30, 52}, {4, 9, 5}};
    std::vector<Numbers> first;
    for (const auto& e : extents)
      first.push_back(run(backend(), conv.get(), spec, e, random_input(spec, e, 7)));
    const bool bf16_weights =
        type == ElementType::bf16 && (!is_cpu() || kernels::conv_bf16_native());
    EXPECT_LT(backend().conv_bytes(conv.get()), weight_count(spec) * (bf16_weights ? 2 : 4) + 4096);
    // Every plan still has its weights after the others were made.
    for (std::size_t i = 0; i < std::size(extents); ++i) {
      const Numbers x = random_input(spec, extents[i], 7);
      EXPECT_EQ(run(backend(), conv.get(), spec, extents[i], x), first[i]);
    }
    expect_close(first[3],
                 conv_oracle(spec, extents[3], random_input(spec, extents[3], 7), weight, bias),
                 type);
  }
}

TEST_P(ConvOn, ResultsHaveTheSameBitsForAnyNumberOfThreadsAndFramesInOneCall) {
  const int threads_before = omp_get_max_threads();
  for (const auto& c : cases) {
    for (const ElementType type : types) {
      SCOPED_TRACE(std::string(c.what) + " " + name_of(type));
      ConvSpec spec = c.spec;
      spec.compute = type;
      const Numbers weight(type, random_normal(weight_count(spec), 1, 0.1f));
      const Numbers bias(ElementType::f32,
                         random_normal(static_cast<std::size_t>(spec.out_channels), 2));
      const Numbers x = random_input(spec, c.input, 8);
      omp_set_num_threads(1);
      const Numbers one =
          run(backend(), make_conv(backend(), spec, weight, bias).get(), spec, c.input, x);
      for (const int threads : {2, 3}) {
        omp_set_num_threads(threads);
        EXPECT_EQ(run(backend(), make_conv(backend(), spec, weight, bias).get(), spec, c.input, x),
                  one)
            << threads << " threads";
      }
      // The first frames of a longer input that begins with the same frames.
      Extent longer = c.input;
      longer[0] += 3;
      Numbers more = random_input(spec, longer, 9);
      std::memcpy(more.data(), x.data(), x.size() * bytes_of(type));
      if (spec.pad_after[0] == 0) {
        const Numbers all =
            run(backend(), make_conv(backend(), spec, weight, bias).get(), spec, longer, more);
        EXPECT_EQ(std::memcmp(all.data(), one.data(), one.size() * bytes_of(type)), 0)
            << "longer input";
      }
    }
  }
  omp_set_num_threads(threads_before);
}

TEST_P(ConvOn, WhatCannotBeIsRefused) {
  const ConvSpec spec{4, 8, {1, 3, 3}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}};
  Numbers weight(ElementType::f32, weight_count(spec)), bias(ElementType::f32, 8);
  const ConstView good = weight.view({8, 4, 1, 3, 3});
  EXPECT_EQ(backend().conv_create(spec, weight.view({4, 8, 1, 3, 3}), bias.view({8})), nullptr);
  EXPECT_EQ(backend().conv_create(spec, weight.view({8, 4, 9}), bias.view({8})), nullptr);
  EXPECT_EQ(backend().conv_create(spec, good, bias.view({4})), nullptr);
  ConvSpec f16 = spec;
  f16.compute = ElementType::f16;
  EXPECT_EQ(backend().conv_create(f16, good, bias.view({8})), nullptr);
  ConvSpec still = spec;
  still.stride = {1, 0, 1};
  EXPECT_EQ(backend().conv_create(still, good, bias.view({8})), nullptr);

  const OwnedConv conv = make_conv(backend(), spec, weight, bias);
  ASSERT_NE(conv, nullptr);
  EXPECT_EQ(backend().conv_prepare(conv.get(), 1, 2, 5, nullptr), Status::bad_shape)
      << "smaller than the kernel";
  Numbers x(ElementType::f32, 100), y(ElementType::f32, 72);
  const ConstView in = x.view({1, 5, 5, 4});
  EXPECT_EQ(backend().conv(conv.get(), in, y.view({1, 3, 3, 8}), nullptr), Status::bad_shape)
      << "no plan";
  EXPECT_EQ(backend().conv_prepare(conv.get(), 1, 5, 5, nullptr), Status::ok);
  EXPECT_EQ(backend().conv(conv.get(), in, y.view({1, 3, 3, 8}), nullptr), Status::ok);
  EXPECT_EQ(backend().conv(conv.get(), in, y.view({1, 3, 8, 3}), nullptr), Status::bad_shape);
  Numbers half(ElementType::bf16, 100);
  EXPECT_EQ(backend().conv(conv.get(), half.view({1, 5, 5, 4}), y.view({1, 3, 3, 8}), nullptr),
            Status::unsupported_type);
}

TEST(Conv, TheLibrarySaysItsVersion) {
  EXPECT_EQ(std::string(kernels::onednn_version()).substr(0, 2), "2.");
}

}  // namespace
}  // namespace causeway::testing
