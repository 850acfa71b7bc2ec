// Comparing arrays the way numerical people do, and reproducible random data.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace causeway::testing {

/// ‖a − b‖₂ / ‖b‖₂ (b is the oracle); not-a-number if any entry is.
template <class A, class B>
double relative_l2(const A& a, const B& b) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    difference += d * d;
    norm += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(difference / (norm > 0 ? norm : 1.0));
}

/// Normal numbers from a fixed seed; the same on every machine that has this standard library.
inline std::vector<float> random_normal(std::size_t count, std::uint32_t seed,
                                        float deviation = 1.0f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> values(count);
  for (auto& value : values) value = normal(engine);
  return values;
}

}  // namespace causeway::testing
