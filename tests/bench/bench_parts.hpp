// What the benchmarks of networks share: cheap numbers, a clock around work on a device.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "ops/ops.hpp"
#include "support/map_store.hpp"
#include "support/network_shapes.hpp"

namespace causeway::testing {

/// Cheap reproducible numbers in [−a, a).
inline float cheap_number(std::int64_t row, std::int64_t element, float amplitude) {
  auto word =
      static_cast<std::uint64_t>(row) * 0x9e3779b97f4a7c15u + static_cast<std::uint64_t>(element);
  word = (word ^ (word >> 29)) * 0xbf58476d1ce4e5b9u;
  return amplitude * (static_cast<float>(word >> 40) * 0x1p-23f - 1.0f);
}

/// A tensor of such numbers in the host's memory.
inline Tensor cheap_numbers(const std::vector<std::int64_t>& shape, std::int64_t row,
                            float amplitude) {
  Tensor numbers(ElementType::f32, shape);
  for (std::int64_t i = 0; i < numbers.size(); ++i)
    numbers.f32()[i] = cheap_number(row, i, amplitude);
  return numbers;
}

/// Weights of a network with that many inputs a neuron, as a checkpoint holds them.
inline std::unique_ptr<MapStore> random_weights(const TensorShapes& shapes, std::int64_t inputs) {
  const float amplitude = 1.0f / std::sqrt(static_cast<float>(inputs));
  return store_of(
      "benchmark weights", shapes,
      [&](const std::string&, std::int64_t rank, std::int64_t element) {
        return cheap_number(rank, element, amplitude);
      },
      ElementType::bf16);
}

/// Multiply-adds × 2 of one block of the transformer for `tokens` that see `keys`, and the keys of
/// the prompt as they are computed.
inline double block_flops(const TransformerShape& shape, std::int64_t tokens, std::int64_t keys,
                          std::int64_t context_keys) {
  const auto d = static_cast<double>(shape.dim);
  const double per_token = 2 * d * d * 6 + 4 * static_cast<double>(keys + context_keys) * d +
                           4 * d * static_cast<double>(shape.ffn_dim);
  return static_cast<double>(tokens) * per_token;
}

/// What `run` answers; where it throws, the error's message on the error stream, and its code.
template <class Run>
int exit_code_of(Run run) {
  try {
    return run();
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  }
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Seconds until all that `work` asks of the device has been done.
template <class Work>
double seconds_of(const Ops& ops, Work work) {
  ops.memory().wait();
  const auto start = std::chrono::steady_clock::now();
  work();
  ops.memory().wait();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Whether all numbers of an f32 tensor on a device are finite.
inline bool all_finite(const Ops& ops, const Tensor& tensor) {
  const Tensor host = ops.downloaded(tensor.view());
  return std::all_of(host.f32(), host.f32() + host.size(),
                     [](float value) { return std::isfinite(value); });
}

}  // namespace causeway::testing
