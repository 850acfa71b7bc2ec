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
  /// What keys of the second half are multiplied with: at 2 their scores reach about 1.5 further in
  /// the sum's logarithm, so that parts of the keys weigh differently, but none next to nothing.
  float later_keys = 1.0f;
  std::int64_t slots() const { return keys + 40; }  ///< of the cache
};

/// Keys and values [2, heads, slots, head_dim], as the CUDA backend's cache has them.
inline std::vector<float> cache_of(const AttentionCase& c) {
  const std::int64_t width = c.heads * c.head_dim + c.gap;
  auto values = random_normal(static_cast<std::size_t>(2 * c.slots() * width), 2);
  for (std::int64_t i = 0; i < c.heads * c.slots() * c.head_dim; ++i) {
    const std::int64_t slot = i / c.head_dim % c.slots();
    if (2 * slot >= c.keys) values[static_cast<std::size_t>(i)] *= c.later_keys;
  }
  return values;
}

template <class Array>
std::vector<float> attend(const kernels::Kernels& backend, const AttentionCase& c,
                          kernels::Stream stream = nullptr) {
  const std::int64_t width = c.heads * c.head_dim + c.gap;
  const Array q(random_normal(static_cast<std::size_t>(c.queries * width), 1));
  const Array cache(cache_of(c));
  const Array y(std::vector<float>(static_cast<std::size_t>(c.queries * width)));
  kernels::AttentionArgs args;
  args.layout = {c.heads, c.head_dim, c.slots(), ElementType::bf16};
  args.cache = cache.data();
  args.valid = c.keys;
  args.scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
  args.last_key_bias = c.last_key_bias;
  args.q = const_view_of(q.data(), ElementType::bf16, {c.queries, c.heads, c.head_dim});
  args.y = view_of(y.data(), ElementType::bf16, {c.queries, c.heads, c.head_dim});
  args.q.stride[0] = args.y.stride[0] = width;
  EXPECT_EQ(backend.attention(args, stream), kernels::Status::ok);
  return y.values();
}

struct ConvolutionCase {
  std::int64_t in, out;
  std::array<std::int64_t, 3> kernel, stride, pad_before, pad_after, input;
  bool has_bias = true;
};

/// A convolution of `backend` with its input.
template <class Array>
class PreparedConvolution {
 public:
  PreparedConvolution(const kernels::Kernels& backend, const ConvolutionCase& c)
      : backend_(&backend), case_(c), conv_(nullptr, backend.conv_destroy), x_(values_of(c)) {
    const kernels::ConvSpec spec{c.in,         c.out,       c.kernel,         c.stride,
                                 c.pad_before, c.pad_after, ElementType::bf16};
    const auto [kt, kh, kw] = c.kernel;
    const auto fan_in = static_cast<float>(c.in * kt * kh * kw);
    const auto weight = random_normal(static_cast<std::size_t>(c.out * c.in * kt * kh * kw), 3,
                                      1.0f / std::sqrt(fan_in));
    const auto bias = random_normal(static_cast<std::size_t>(c.out), 4);
    conv_.reset(backend.conv_create(
        spec, const_view_of(weight.data(), ElementType::f32, {c.out, c.in, kt, kh, kw}),
        const_view_of(c.has_bias ? bias.data() : nullptr, ElementType::f32, {c.out})));
    EXPECT_NE(conv_.get(), nullptr);
  }

  kernels::Status prepare(kernels::Stream stream) const {
    const auto [t, h, w] = case_.input;
    return backend_->conv_prepare(conv_.get(), t, h, w, stream);
  }

  /// Of what the kernel answers nothing is expected here, so that it may be asked what it refuses.
  kernels::Status run(const Array& y, kernels::Stream stream) const {
    const auto [t, h, w] = case_.input;
    const auto out = extents();
    return backend_->conv(
        conv_.get(), const_view_of(x_.data(), ElementType::bf16, {t, h, w, case_.in}),
        view_of(y.data(), ElementType::bf16, {out[0], out[1], out[2], case_.out}), stream);
  }

  /// Prepares and runs it.
  std::vector<float> result(kernels::Stream stream) const {
    EXPECT_EQ(prepare(stream), kernels::Status::ok);
    const auto out = extents();
    const Array y(
        std::vector<float>(static_cast<std::size_t>(out[0] * out[1] * out[2] * case_.out)));
    EXPECT_EQ(run(y, stream), kernels::Status::ok);
    return y.values();
  }

 private:
  static std::vector<float> values_of(const ConvolutionCase& c) {
    return random_normal(static_cast<std::size_t>(c.input[0] * c.input[1] * c.input[2] * c.in), 5);
  }
  std::array<std::int64_t, 3> extents() const {
    std::array<std::int64_t, 3> out{};
    for (std::size_t i = 0; i < 3; ++i) {
      const std::int64_t padded = case_.input[i] + case_.pad_before[i] + case_.pad_after[i];
      out[i] = (padded - case_.kernel[i]) / case_.stride[i] + 1;
    }
    return out;
  }

  const kernels::Kernels* backend_;
  ConvolutionCase case_;
  std::unique_ptr<kernels::Conv, void (*)(kernels::Conv*)> conv_;
  Array x_;
};

template <class Array>
std::vector<float> convolve(const kernels::Kernels& backend, const ConvolutionCase& c) {
  return PreparedConvolution<Array>(backend, c).result(nullptr);
}

}  // namespace causeway::testing
