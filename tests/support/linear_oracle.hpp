// A linear layer in float64, term by term.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {

/// tanh-GELU as Hendrycks and Gimpel 2016 give it; SiLU x/(1 + e⁻ˣ).
inline double activation_oracle(kernels::Activation activation, double x) {
  switch (activation) {
    case kernels::Activation::gelu_tanh:
      return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
    case kernels::Activation::silu:
      return x / (1.0 + std::exp(-x));
    case kernels::Activation::none:
      break;
  }
  return x;
}

/// One output and the size of the terms that it is a sum of (for a bound on the rounding error).
struct LinearValue {
  double value = 0, terms = 0;
};

/// x[row, :]·weight[output, :] + bias; x: row stride `x_stride`, weight: [n, k].
inline LinearValue linear_oracle(const Numbers& x, std::int64_t x_stride, const Numbers& weight,
                                 const std::vector<float>& bias, std::int64_t k, std::int64_t row,
                                 std::int64_t output) {
  LinearValue sum;
  if (!bias.empty()) sum.value = static_cast<double>(bias[static_cast<std::size_t>(output)]);
  sum.terms = std::abs(sum.value);
  for (std::int64_t i = 0; i < k; ++i) {
    const double term = static_cast<double>(x[static_cast<std::size_t>(row * x_stride + i)]) *
                        static_cast<double>(weight[static_cast<std::size_t>(output * k + i)]);
    sum.value += term;
    sum.terms += std::abs(term);
  }
  return sum;
}

}  // namespace causeway::testing
