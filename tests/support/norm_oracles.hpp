// The norms and the rotary embedding in float64, written as their formulas are.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace causeway::testing {

/// (x − mean) / √(var + eps)·scale + shift, biased variance.
inline std::vector<double> layer_norm_oracle(const std::vector<double>& x,
                                             const std::vector<double>& scale,
                                             const std::vector<double>& shift, double eps) {
  const auto n = static_cast<double>(x.size());
  double mean = 0, variance = 0;
  for (double v : x) mean += v / n;
  for (double v : x) variance += (v - mean) * (v - mean) / n;
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    y[i] = (x[i] - mean) / std::sqrt(variance + eps) * scale[i] + shift[i];
  }
  return y;
}

/// x / √(mean(x²) + eps)·weight.
inline std::vector<double> rms_norm_oracle(const std::vector<double>& x,
                                           const std::vector<double>& weight, double eps) {
  double sum = 0;
  for (double v : x) sum += v * v;
  const double root = std::sqrt(sum / static_cast<double>(x.size()) + eps);
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] / root * weight[i];
  return y;
}

/// x / max(‖x‖₂, 1e-12)·√channels·gamma, then z/(1 + e^−z) if asked.
inline std::vector<double> gamma_norm_oracle(const std::vector<double>& x,
                                             const std::vector<double>& gamma, bool silu) {
  double sum = 0;
  for (double v : x) sum += v * v;
  const double norm = std::max(std::sqrt(sum), 1e-12);
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    y[i] = x[i] / norm * std::sqrt(static_cast<double>(x.size())) * gamma[i];
    if (silu) y[i] /= 1.0 + std::exp(-y[i]);
  }
  return y;
}

/// Pair p of a head (elements 2p, 2p + 1) as a complex number, times cos_p + i·sin_p.
inline void rotate_oracle(std::vector<double>& head, const float* cos_sin) {
  for (std::size_t p = 0; p < head.size() / 2; ++p) {
    const double a = head[2 * p], b = head[2 * p + 1];
    const double cosine = cos_sin[2 * p], sine = cos_sin[2 * p + 1];
    head[2 * p] = a * cosine - b * sine;
    head[2 * p + 1] = a * sine + b * cosine;
  }
}

}  // namespace causeway::testing
