// A 3-D convolution in float64, as its definition reads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"

namespace causeway::testing {

inline std::array<std::int64_t, 3> conv_output_extent(const kernels::ConvSpec& spec,
                                                      const std::array<std::int64_t, 3>& input) {
  std::array<std::int64_t, 3> output{};
  for (std::size_t a = 0; a < 3; ++a) {
    output[a] =
        (input[a] + spec.pad_before[a] + spec.pad_after[a] - spec.kernel[a]) / spec.stride[a] + 1;
  }
  return output;
}

/// x [t, h, w, in], weight [out, in, kt, kh, kw], bias [out] → [t', h', w', out].
template <class X, class W, class B>
std::vector<double> conv_oracle(const kernels::ConvSpec& spec,
                                const std::array<std::int64_t, 3>& input, const X& x,
                                const W& weight, const B& bias) {
  const auto output = conv_output_extent(spec, input);
  std::vector<double> y;
  for (std::int64_t t = 0; t < output[0]; ++t) {
    for (std::int64_t h = 0; h < output[1]; ++h) {
      for (std::int64_t w = 0; w < output[2]; ++w) {
        for (std::int64_t o = 0; o < spec.out_channels; ++o) {
          double sum = static_cast<double>(bias[static_cast<std::size_t>(o)]);
          for (std::int64_t i = 0; i < spec.in_channels; ++i) {
            for (std::int64_t kt = 0; kt < spec.kernel[0]; ++kt) {
              for (std::int64_t kh = 0; kh < spec.kernel[1]; ++kh) {
                for (std::int64_t kw = 0; kw < spec.kernel[2]; ++kw) {
                  const std::int64_t xt = t * spec.stride[0] + kt - spec.pad_before[0];
                  const std::int64_t xh = h * spec.stride[1] + kh - spec.pad_before[1];
                  const std::int64_t xw = w * spec.stride[2] + kw - spec.pad_before[2];
                  const bool inside = xt >= 0 && xt < input[0] && xh >= 0 && xh < input[1] &&
                                      xw >= 0 && xw < input[2];
                  if (!inside) continue;
                  const auto x_at = static_cast<std::size_t>(
                      ((xt * input[1] + xh) * input[2] + xw) * spec.in_channels + i);
                  const auto w_at = static_cast<std::size_t>(
                      (((o * spec.in_channels + i) * spec.kernel[0] + kt) * spec.kernel[1] + kh) *
                          spec.kernel[2] +
                      kw);
                  sum += static_cast<double>(x[x_at]) * static_cast<double>(weight[w_at]);
                }
              }
            }
          }
          y.push_back(sum);
        }
      }
    }
  }
  return y;
}

}  // namespace causeway::testing
