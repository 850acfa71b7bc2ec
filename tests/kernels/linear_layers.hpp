// Linear layers with everything that may vary, for the tests of their kernels.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/compare.hpp"
#include "support/linear_oracle.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {

using kernels::Activation;
using kernels::Status;

inline constexpr ElementType compute_types[] = {ElementType::f32, ElementType::bf16};

inline std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

/// A linear layer with everything that may vary; the data follow from the sizes.
struct Layer {
  std::int64_t rows, n, k, x_gap = 0, y_gap = 0;
  ElementType compute = ElementType::f32, stored = ElementType::f32, y_type = ElementType::f32;
  bool with_bias = true;
  Activation activation = Activation::none;
  bool accumulate = false, with_gate = false;

  std::int64_t x_stride() const { return k + x_gap; }
  std::int64_t y_stride() const { return n + y_gap; }
  Numbers x() const { return {compute, random_normal(index(rows * x_stride()), 11)}; }
  Numbers weight() const {
    return {stored, random_normal(index(n * k), 12, 1.0f / std::sqrt(static_cast<float>(k)))};
  }
  std::vector<float> bias() const {
    return with_bias ? random_normal(index(n), 13) : std::vector<float>();
  }
  std::vector<float> gate() const {
    return with_gate ? random_normal(index(n), 14) : std::vector<float>();
  }
  Numbers before() const { return {y_type, random_normal(index(rows * y_stride()), 15)}; }
};

inline const float* pointer_or_null(const std::vector<float>& v) {
  return v.empty() ? nullptr : v.data();
}

/// A layer with its data and its packed weight.
struct Prepared {
  const kernels::Kernels& backend;
  Layer layer;
  Numbers x = layer.x(), weight = layer.weight(), y = layer.before();
  std::vector<float> bias = layer.bias(), gate = layer.gate();
  std::vector<std::byte> packed;

  Prepared(const kernels::Kernels& backend_, const Layer& layer_)
      : backend(backend_),
        layer(layer_),
        packed(backend_.linear_packed_bytes(layer_.n, layer_.k, layer_.compute)) {
    EXPECT_EQ(
        backend.linear_pack(weight.view({layer.n, layer.k}), layer.compute, packed.data(), nullptr),
        Status::ok);
  }
  /// For rows [begin, end) of y.
  kernels::LinearArgs arguments(std::int64_t begin, std::int64_t end) {
    kernels::LinearArgs args;
    args.x = x.rows(end - begin, layer.k, layer.x_stride());
    args.x.data = x.data() + index(begin * layer.x_stride()) * bytes_of(layer.compute);
    args.weight = packed.data();
    args.n = layer.n;
    args.k = layer.k;
    args.compute = layer.compute;
    args.bias = pointer_or_null(bias);
    args.activation = layer.activation;
    args.accumulate = layer.accumulate;
    args.gate = pointer_or_null(gate);
    args.y = y.rows(end - begin, layer.n, layer.y_stride());
    args.y.data = y.data() + index(begin * layer.y_stride()) * bytes_of(layer.y_type);
    return args;
  }
  void run(std::int64_t begin, std::int64_t end) {
    EXPECT_EQ(backend.linear(arguments(begin, end), nullptr), Status::ok);
  }
};
inline Numbers run(const kernels::Kernels& backend, const Layer& layer) {
  Prepared prepared(backend, layer);
  prepared.run(0, layer.rows);
  return prepared.y;
}

/// The same by `linear_stored`, with the weight at an odd address.
inline Numbers run_stored(const kernels::Kernels& backend, const Layer& layer) {
  Numbers x = layer.x(), weight = layer.weight(), y = layer.before();
  const auto bias = layer.bias();
  const std::size_t weight_bytes = weight.size() * bytes_of(layer.stored);
  std::vector<std::byte> odd(weight_bytes + 1);
  std::copy_n(weight.data(), weight_bytes, odd.data() + 1);
  std::vector<std::byte> workspace(backend.linear_stored_workspace(layer.k, layer.compute));
  kernels::LinearStoredArgs args;
  args.x = x.rows(layer.rows, layer.k, layer.x_stride());
  args.weight = const_view_of(odd.data() + 1, layer.stored, {layer.n, layer.k});
  args.compute = layer.compute;
  args.bias = pointer_or_null(bias);
  args.activation = layer.activation;
  args.workspace = workspace.data();
  args.y = y.rows(layer.rows, layer.n, layer.y_stride());
  EXPECT_EQ(backend.linear_stored(args, nullptr), Status::ok);
  return y;
}

/// What a library rounds in between: a bias to the type of the result, a gated result to the type
/// that it is computed in.
inline double library_slack(const Layer& layer, double bias, double product) {
  double slack = 0.0;
  if (layer.y_type == ElementType::bf16) slack += 0x1p-8 * std::abs(bias);
  if (layer.with_gate && layer.compute == ElementType::bf16) slack += 0x1p-8 * std::abs(product);
  return slack;
}

inline void expect_matches_oracle(const Numbers& y, const Layer& layer, bool by_library = false) {
  const Numbers x = layer.x(), before = layer.before();
  // What the kernel multiplies with is the weight rounded to the compute type.
  Numbers weight(layer.compute, index(layer.n * layer.k));
  const Numbers stored = layer.weight();
  for (std::size_t i = 0; i < weight.size(); ++i) weight.set(i, stored[i]);
  const auto bias = layer.bias(), gate = layer.gate();
  for (std::int64_t row = 0; row < layer.rows; ++row) {
    for (std::int64_t i = 0; i < layer.y_stride(); ++i) {
      const std::size_t at = index(row * layer.y_stride() + i);
      if (i >= layer.n) {
        ASSERT_EQ(y[at], before[at]) << "the gap after row " << row << " was written";
        continue;
      }
      const LinearValue sum = linear_oracle(x, layer.x_stride(), weight, bias, layer.k, row, i);
      double exact = activation_oracle(layer.activation, sum.value);
      double slack = 2e-7 * (sum.terms + std::abs(exact));
      if (by_library) {
        const double added = bias.empty() ? 0.0 : static_cast<double>(bias[index(i)]);
        slack += library_slack(layer, added, sum.value - added);
      }
      if (layer.accumulate) {
        const double factor = gate.empty() ? 1.0 : static_cast<double>(gate[index(i)]);
        exact = static_cast<double>(before[at]) + factor * exact;
        slack = slack * std::abs(factor) + 1e-7 * std::abs(static_cast<double>(before[at]));
      }
      ASSERT_NEAR(static_cast<double>(y[at]), exact, slack + allowed_error(layer.y_type, exact))
          << "row " << row << ", output " << i << " of " << layer.rows << "x" << layer.n << "x"
          << layer.k;
    }
  }
}

}  // namespace causeway::testing
