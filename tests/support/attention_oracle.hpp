// Attention in float64: scores, softmax, weighted sum, one query at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

namespace causeway::testing {

/// softmax over keys j of (scale·q·k_j + bias(j)), times v. q: [head_dim]; `key(j, i)` and
/// `value(j, i)` give element i of slot j.
inline std::vector<double> attention_oracle(
    const std::vector<double>& q, std::size_t keys,
    const std::function<double(std::size_t, std::size_t)>& key,
    const std::function<double(std::size_t, std::size_t)>& value,
    const std::function<double(std::size_t)>& bias, double scale) {
  std::vector<double> scores(keys);
  for (std::size_t j = 0; j < keys; ++j) {
    double dot = 0;
    for (std::size_t i = 0; i < q.size(); ++i) dot += q[i] * key(j, i);
    scores[j] = scale * dot + bias(j);
  }
  const double maximum = *std::max_element(scores.begin(), scores.end());
  double total = 0;
  for (double& score : scores) total += score = std::exp(score - maximum);
  std::vector<double> y(q.size());
  for (std::size_t j = 0; j < keys; ++j) {
    for (std::size_t i = 0; i < q.size(); ++i) y[i] += scores[j] / total * value(j, i);
  }
  return y;
}

}  // namespace causeway::testing
