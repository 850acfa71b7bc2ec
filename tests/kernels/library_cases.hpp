// Calls of attention and of convolutions in bf16, for comparing what a library does with the plain
// kernel.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/kernels.hpp"
#include "support/compare.hpp"

namespace causeway::testing {

// `Array` holds bf16 numbers where the backend reaches them; it is made of a vector of floats, and
// has data() and values().

struct AttentionCase {
  std::int64_t heads, head_dim, queries, keys;
  float last_key_bias;
  std::int64_t gap = 0;  ///< elements after each token of q and y
};

template <class Array>
std::vector<float> attend(const kernels::Kernels& backend, const AttentionCase& c) {
  const std::int64_t width = c.heads * c.head_dim + c.gap, capacity = c.keys + 40;
  const Array q(random_normal(static_cast<std::size_t>(c.queries * width), 1));
  const Array cache(random_normal(static_cast<std::size_t>(2 * capacity * width), 2));
  const Array y(std::vector<float>(static_cast<std::size_t>(c.queries * width)));
  kernels::AttentionArgs args;
  args.layout = {c.heads, c.head_dim, capacity, ElementType::bf16};
  args.cache = cache.data();
  args.valid = c.keys;
  args.scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
  args.last_key_bias = c.last_key_bias;
  args.q = const_view_of(q.data(), ElementType::bf16, {c.queries, c.heads, c.head_dim});
  args.y = view_of(y.data(), ElementType::bf16, {c.queries, c.heads, c.head_dim});
  args.q.stride[0] = args.y.stride[0] = width;
  EXPECT_EQ(backend.attention(args, nullptr), kernels::Status::ok);
  return y.values();
}

struct ConvolutionCase {
  std::int64_t in, out;
  std::array<std::int64_t, 3> kernel, stride, pad_before, pad_after, input;
  bool has_bias = true;
};

template <class Array>
std::vector<float> convolve(const kernels::Kernels& backend, const ConvolutionCase& c) {
  const kernels::ConvSpec spec{c.in,         c.out,       c.kernel,         c.stride,
                               c.pad_before, c.pad_after, ElementType::bf16};
  const auto [kt, kh, kw] = c.kernel;
  const auto fan_in = static_cast<float>(c.in * kt * kh * kw);
  const auto weight = random_normal(static_cast<std::size_t>(c.out * c.in * kt * kh * kw), 3,
                                    1.0f / std::sqrt(fan_in));
  const auto bias = random_normal(static_cast<std::size_t>(c.out), 4);
  auto destroy = [&](kernels::Conv* conv) { backend.conv_destroy(conv); };
  const std::unique_ptr<kernels::Conv, decltype(destroy)> conv(
      backend.conv_create(
          spec, const_view_of(weight.data(), ElementType::f32, {c.out, c.in, kt, kh, kw}),
          const_view_of(c.has_bias ? bias.data() : nullptr, ElementType::f32, {c.out})),
      destroy);
  EXPECT_NE(conv.get(), nullptr);
  const auto [t, h, w] = c.input;
  std::array<std::int64_t, 3> out{};
  for (std::size_t i = 0; i < 3; ++i) {
    out[i] = (c.input[i] + c.pad_before[i] + c.pad_after[i] - c.kernel[i]) / c.stride[i] + 1;
  }
  const Array x(random_normal(static_cast<std::size_t>(t * h * w * c.in), 5));
  const Array y(std::vector<float>(static_cast<std::size_t>(out[0] * out[1] * out[2] * c.out)));
  EXPECT_EQ(backend.conv_prepare(conv.get(), t, h, w), kernels::Status::ok);
  EXPECT_EQ(
      backend.conv(conv.get(), const_view_of(x.data(), ElementType::bf16, {t, h, w, c.in}),
                   view_of(y.data(), ElementType::bf16, {out[0], out[1], out[2], c.out}), nullptr),
      kernels::Status::ok);
  return y.values();
}

}  // namespace causeway::testing
