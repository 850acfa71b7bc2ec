// What the tests of the networks share: tensors in and out, fixture files.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "support/compare.hpp"
#include "support/device_on_host/backends.hpp"
#include "tensor/tensor.hpp"

namespace causeway::testing {

inline Tensor f32_tensor(const std::vector<float>& values, const std::vector<std::int64_t>& shape) {
  Tensor tensor(ElementType::f32, shape);
  EXPECT_EQ(tensor.size(), static_cast<std::int64_t>(values.size()));
  std::memcpy(tensor.data(), values.data(), tensor.bytes());
  return tensor;
}

/// Any f32 or bf16 contiguous view as floats.
inline std::vector<float> floats_of(ConstView view) {
  std::vector<float> values(static_cast<std::size_t>(view.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = view.type == ElementType::f32
                    ? static_cast<const float*>(view.data)[i]
                    : to_float(static_cast<const bfloat16*>(view.data)[i]);
  }
  return values;
}

/// [a, b, c, d] → [d, a, b, c]: frames from channels-last to channels-first.
inline std::vector<float> channels_first(const std::vector<float>& x, std::int64_t channels) {
  const auto c = static_cast<std::size_t>(channels), positions = x.size() / c;
  std::vector<float> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[(i % c) * positions + i / c] = x[i];
  return y;
}

/// [d, a, b, c] → [a, b, c, d].
inline std::vector<float> channels_last(const std::vector<float>& x, std::int64_t channels) {
  const auto c = static_cast<std::size_t>(channels), positions = x.size() / c;
  std::vector<float> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[(i % c) * positions + i / c];
  return y;
}

inline std::string oracle_path(const std::string& name) {
  return std::string(CAUSEWAY_SOURCE_DIR) + "/tests/golden/oracle/" + name;
}

/// A tensor of a fixture file, as floats.
inline std::vector<float> fixture(const TensorStore& store, const std::string& name) {
  return floats_of(store.at(name).view);
}

}  // namespace causeway::testing
