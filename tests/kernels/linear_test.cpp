// Matrix products against float64, and bit for bit against themselves, on every backend.
#include <gtest/gtest.h>
#include <omp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "support/compare.hpp"
#include "support/linear_oracle.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {
namespace {

using kernels::Activation;
using kernels::Status;

constexpr ElementType compute_types[] = {ElementType::f32, ElementType::bf16};
constexpr float untouched = -77.0f;

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

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

const float* pointer_or_null(const std::vector<float>& v) { return v.empty() ? nullptr : v.data(); }

/// A layer with its data and its packed weight.
struct Prepared {
  const kernels::Kernels& backend;
  Layer layer;
  Numbers x = layer.x(), weight = layer.weight(), y = layer.before();
  std::vector<float> bias = layer.bias(), gate = layer.gate();
  std::vector<std::byte> packed;
  Numbers scratch{layer.compute, index(layer.rows* layer.n)};

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
    args.scratch = scratch.data();
    args.y = y.rows(end - begin, layer.n, layer.y_stride());
    args.y.data = y.data() + index(begin * layer.y_stride()) * bytes_of(layer.y_type);
    return args;
  }
  void run(std::int64_t begin, std::int64_t end) {
    EXPECT_EQ(backend.linear(arguments(begin, end), nullptr), Status::ok);
  }
};
Numbers run(const kernels::Kernels& backend, const Layer& layer) {
  Prepared prepared(backend, layer);
  prepared.run(0, layer.rows);
  return prepared.y;
}

/// The same by `linear_stored`, with the weight at an odd address.
Numbers run_stored(const kernels::Kernels& backend, const Layer& layer) {
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
double library_slack(const Layer& layer, double bias, double product) {
  double slack = 0.0;
  if (layer.y_type == ElementType::bf16) slack += 0x1p-8 * std::abs(bias);
  if (layer.with_gate && layer.compute == ElementType::bf16) slack += 0x1p-8 * std::abs(product);
  return slack;
}

void expect_matches_oracle(const Numbers& y, const Layer& layer, bool by_library = false) {
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

class Linear : public OnBackend {
 protected:
  void TearDown() override {
    omp_set_num_threads(threads_before_);
    OnBackend::TearDown();
  }

 private:
  int threads_before_ = omp_get_max_threads();
};
CAUSEWAY_ON_EVERY_BACKEND_AND_LIBRARIES(Linear);

TEST_P(Linear, MatchesFloat64ForAllSizesAndStrides) {
  for (const ElementType compute : compute_types) {
    for (const std::int64_t rows : {1, 2, 5, 6, 7, 13, 121}) {
      for (const auto& [n, k] :
           {std::pair{1, 1}, {3, 2}, {64, 33}, {65, 64}, {130, 31}, {17, 200}}) {
        const Layer layer{
            .rows = rows, .n = n, .k = k, .x_gap = rows % 4, .y_gap = rows % 3, .compute = compute};
        expect_matches_oracle(run(backend(), layer), layer, !backend().deterministic);
      }
    }
  }
}

TEST_P(Linear, MatchesFloat64AcrossBlocksOfK) {
  for (const ElementType compute : compute_types) {
    for (const std::int64_t k : {767, 769, 1537, 3073}) {
      const Layer layer{.rows = 7, .n = 66, .k = k, .compute = compute};
      expect_matches_oracle(run(backend(), layer), layer, !backend().deterministic);
    }
  }
}

TEST_P(Linear, EpiloguesMatchFloat64) {
  for (const ElementType compute : compute_types) {
    for (const ElementType y_type : compute_types) {
      for (const Activation activation :
           {Activation::none, Activation::gelu_tanh, Activation::silu}) {
        for (const bool with_bias : {false, true}) {
          const Layer layer{.rows = 9,
                            .n = 70,
                            .k = 40,
                            .y_gap = 3,
                            .compute = compute,
                            .y_type = y_type,
                            .with_bias = with_bias,
                            .activation = activation};
          expect_matches_oracle(run(backend(), layer), layer, !backend().deterministic);
        }
      }
    }
  }
}

TEST_P(Linear, AccumulatesWithAndWithoutAGate) {
  for (const ElementType compute : compute_types) {
    for (const bool with_gate : {false, true}) {
      for (const Activation activation : {Activation::none, Activation::silu}) {
        const Layer layer{.rows = 8,
                          .n = 67,
                          .k = 48,
                          .y_gap = 2,
                          .compute = compute,
                          .activation = activation,
                          .accumulate = true,
                          .with_gate = with_gate};
        expect_matches_oracle(run(backend(), layer), layer, !backend().deterministic);
      }
    }
  }
}

TEST_P(Linear, ActivationsAreAccurateFromFarLeftToFarRight) {
  // x is the bias, as the product is with zeros.
  std::vector<float> points;
  for (float x = -30.0f; x <= 30.0f; x += 0.0371f) points.push_back(x);
  for (const float x : {-1e30f, -300.0f, 0.0f, 1e-20f, 300.0f, 1e30f}) points.push_back(x);
  const auto n = static_cast<std::int64_t>(points.size());
  std::vector<std::byte> packed(backend().linear_packed_bytes(n, 1, ElementType::f32));
  for (const Activation activation : {Activation::gelu_tanh, Activation::silu}) {
    Numbers x(ElementType::f32, 1), y(ElementType::f32, points.size());
    kernels::LinearArgs args{.x = x.view({1, 1}),
                             .weight = packed.data(),
                             .n = n,
                             .k = 1,
                             .bias = points.data(),
                             .activation = activation,
                             .y = y.view({1, n})};
    ASSERT_EQ(backend().linear(args, nullptr), Status::ok);
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double at = static_cast<double>(points[i]);
      const double exact = activation_oracle(activation, at);
      // Far left the result is e to the argument, which carries the rounding of that argument. The
      // oracle's own 1 + tanh is worth 1e-16.
      const double argument = activation == Activation::gelu_tanh
                                  ? 2.0 * std::sqrt(2.0 / M_PI) * (at + 0.044715 * at * at * at)
                                  : at;
      const double relative = 5e-7 + 4e-7 * std::clamp(-argument, 0.0, 100.0);
      const double oracle_loss = at > -100.0 ? 2e-16 * std::abs(at) : 0.0;
      ASSERT_NEAR(static_cast<double>(y[i]), exact,
                  relative * std::abs(exact) + oracle_loss + 1e-34)
          << "at " << at;
    }
  }
}

TEST_P(Linear, ReadsEveryStoredType) {
  for (const ElementType compute : compute_types) {
    for (const ElementType stored : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
      const Layer layer{.rows = 4, .n = 65, .k = 77, .compute = compute, .stored = stored};
      expect_matches_oracle(run(backend(), layer), layer, !backend().deterministic);
    }
  }
}

TEST_P(Linear, StoredWeightsGiveTheSameBitsAsPackedOnes) {
  if (!backend().deterministic) return skip("a library has its own order of sums");
  for (const ElementType compute : compute_types) {
    for (const ElementType stored : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
      // 520 outputs are three panels of the CUDA backend, the last one short.
      for (const auto& [n, k] : {std::pair{1, 1}, {64, 64}, {131, 77}, {200, 1601}, {520, 40}}) {
        const Layer layer{.rows = 125,
                          .n = n,
                          .k = k,
                          .x_gap = 1,
                          .y_gap = 2,
                          .compute = compute,
                          .stored = stored,
                          .y_type = compute,
                          .activation = Activation::gelu_tanh};
        for (const int threads : all_or<int>({1, 3}, {1})) {
          omp_set_num_threads(threads);
          ASSERT_EQ(run_stored(backend(), layer), run(backend(), layer))
              << n << "x" << k << " on " << threads << " threads";
        }
      }
    }
  }
}

TEST_P(Linear, ARowHasTheSameBitsInAnyCompany) {
  if (!backend().deterministic) return skip("a library has its own order of sums");
  for (const ElementType compute : compute_types) {
    const Layer layer{
        .rows = 131, .n = 70, .k = 1601, .compute = compute, .activation = Activation::gelu_tanh};
    const Numbers whole = run(backend(), layer);
    Prepared prepared(backend(), layer);
    for (const std::int64_t part :
         all_or<std::int64_t>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 127}, {29, 127})) {
      prepared.y = layer.before();
      // The first call has one row fewer than the others, so that rows change places in their
      // tiles.
      for (std::int64_t begin = 0, end = part - 1; begin < layer.rows;
           begin = end, end = std::min(end + part, layer.rows)) {
        prepared.run(begin, end);
      }
      ASSERT_EQ(prepared.y, whole) << "in parts of " << part << " rows";
    }
  }
}

TEST_P(Linear, AnyNumberOfThreadsGivesTheSameBits) {
  if (!is_cpu()) return skip("OpenMP's threads are the CPU's");
  for (const ElementType compute : compute_types) {
    const Layer layer{.rows = 250,
                      .n = 333,
                      .k = 130,
                      .compute = compute,
                      .y_type = compute,
                      .activation = Activation::silu};
    omp_set_num_threads(1);
    const Numbers one = run(backend(), layer);
    for (const int threads : {2, 3}) {
      omp_set_num_threads(threads);
      ASSERT_EQ(run(backend(), layer), one) << "on " << threads << " threads";
    }
  }
}

TEST_P(Linear, DoesNotReadBeyondTheEndOfARow) {
  // NaN lies in every gap; one that is read shows in the result.
  for (const ElementType compute : compute_types) {
    const Layer layer{.rows = 7, .n = 3, .k = 31, .x_gap = 1, .compute = compute};
    Numbers x = layer.x(), weight = layer.weight(), y = layer.before();
    for (std::int64_t row = 0; row < layer.rows; ++row) {
      x.set(index(row * layer.x_stride() + layer.k), std::numeric_limits<float>::quiet_NaN());
    }
    std::vector<std::byte> packed(backend().linear_packed_bytes(layer.n, layer.k, compute));
    ASSERT_EQ(
        backend().linear_pack(weight.view({layer.n, layer.k}), compute, packed.data(), nullptr),
        Status::ok);
    kernels::LinearArgs args{.x = x.rows(layer.rows, layer.k, layer.x_stride()),
                             .weight = packed.data(),
                             .n = layer.n,
                             .k = layer.k,
                             .compute = compute,
                             .y = y.rows(layer.rows, layer.n, layer.n)};
    ASSERT_EQ(backend().linear(args, nullptr), Status::ok);
    for (std::size_t i = 0; i < y.size(); ++i) ASSERT_FALSE(std::isnan(y[i]));
  }
}

TEST_P(Linear, NotANumberStaysInItsRow) {
  for (const ElementType compute : compute_types) {
    for (const Activation activation :
         {Activation::none, Activation::gelu_tanh, Activation::silu}) {
      Numbers x(compute, std::vector<float>(9, 1.0f)),
          weight(ElementType::f32, std::vector<float>(3, 1.0f));
      x.set(4, std::numeric_limits<float>::quiet_NaN());
      std::vector<std::byte> packed(backend().linear_packed_bytes(1, 3, compute));
      ASSERT_EQ(backend().linear_pack(weight.view({1, 3}), compute, packed.data(), nullptr),
                Status::ok);
      Numbers y(compute, 3);
      kernels::LinearArgs args{.x = x.view({3, 3}),
                               .weight = packed.data(),
                               .n = 1,
                               .k = 3,
                               .compute = compute,
                               .activation = activation,
                               .y = y.view({3, 1})};
      ASSERT_EQ(backend().linear(args, nullptr), Status::ok);
      EXPECT_FALSE(std::isnan(y[0]));
      EXPECT_TRUE(std::isnan(y[1]));
      EXPECT_FALSE(std::isnan(y[2]));
    }
  }
}

/// A copy of some bytes where a GPU's allocator would put it.
class Aligned {
 public:
  Aligned(const void* source, std::size_t bytes)
      : bytes_(bytes), memory_(std::aligned_alloc(256, (bytes + 255) / 256 * 256), std::free) {
    std::memcpy(memory_.get(), source, bytes);
  }
  void* data() { return memory_.get(); }
  void copy_to(void* target) const { std::memcpy(target, memory_.get(), bytes_); }

 private:
  std::size_t bytes_;
  std::unique_ptr<void, void (*)(void*)> memory_;
};

/// As `run`; the choice of an algorithm depends on the alignment of the operands, which is always
/// the same here.
Numbers run_aligned(const kernels::Kernels& backend, const Layer& layer) {
  Prepared prepared(backend, layer);
  kernels::LinearArgs args = prepared.arguments(0, layer.rows);
  const auto bytes = [](const Numbers& numbers) {
    return numbers.size() * bytes_of(numbers.type());
  };
  Aligned x(prepared.x.data(), bytes(prepared.x)), y(prepared.y.data(), bytes(prepared.y)),
      weight(prepared.packed.data(), prepared.packed.size());
  args.x.data = x.data();
  args.y.data = y.data();
  args.weight = weight.data();
  EXPECT_EQ(backend.linear(args, nullptr), Status::ok);
  y.copy_to(prepared.y.data());
  return prepared.y;
}

TEST(LinearByLibrary, TakesTheFastestAlgorithmThatRunsAndRemembersIt) {
  const kernels::Kernels* backend = libraries_on_host_kernels();
  if (backend == nullptr) GTEST_SKIP() << "fibres cannot be used";
  const Layer layer{.rows = 16, .n = 48, .k = 32, .compute = ElementType::bf16};
  EXPECT_EQ(run_aligned(*backend, layer), run_aligned(*backend, layer));
  const auto runs = [] {
    return std::vector{cublaslt_on_host_runs(algorithm_that_fails),
                       cublaslt_on_host_runs(slow_algorithm),
                       cublaslt_on_host_runs(fast_algorithm)};
  };
  const auto before = runs();
  EXPECT_GT(before[algorithm_that_fails], 0) << "the candidates are tried";
  EXPECT_GT(before[slow_algorithm], 0);
  run_aligned(*backend, layer);
  auto expected = before;
  ++expected[fast_algorithm];
  EXPECT_EQ(runs(), expected);
}

/// What another process that ran this layer writes down.
std::string choices_elsewhere(const kernels::Kernels& backend, const Layer& layer) {
  int ends[2];
  if (pipe(ends) != 0) return "";
  const pid_t child = fork();
  if (child == 0) {
    run_aligned(backend, layer);
    const std::string text = backend.choices();
    const bool written = write(ends[1], text.data(), text.size()) == std::ssize(text);
    _exit(written && !::testing::Test::HasFailure() ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  char piece[256];
  for (ssize_t count; (count = read(ends[0], piece, sizeof piece)) > 0;) {
    text.append(piece, index(count));
  }
  close(ends[0]);
  int state = 0;
  return waitpid(child, &state, 0) == child && state == 0 ? text : "";
}

TEST(LinearByLibrary, ChoicesThatWereWrittenDownAreNotMadeAgain) {
  const kernels::Kernels* backend = libraries_on_host_kernels();
  if (backend == nullptr) GTEST_SKIP() << "fibres cannot be used";
  const Layer layer{.rows = 8, .n = 24, .k = 40, .compute = ElementType::bf16};
  const std::string text = choices_elsewhere(*backend, layer);
  ASSERT_TRUE(text.starts_with("cuBLASLt ")) << text;
  ASSERT_NE(text.find("\n8 24 40 40 24 "), std::string::npos) << text;
  backend->use_choices(text);
  const int tries = cublaslt_on_host_runs(algorithm_that_fails);
  expect_matches_oracle(run_aligned(*backend, layer), layer, true);
  EXPECT_EQ(cublaslt_on_host_runs(algorithm_that_fails), tries) << "nothing was tried";
}

TEST(LinearByLibrary, ChoicesThatDoNotFitAreMadeAgain) {
  const kernels::Kernels* backend = libraries_on_host_kernels();
  if (backend == nullptr) GTEST_SKIP() << "fibres cannot be used";
  const Layer layer{.rows = 9, .n = 24, .k = 40, .compute = ElementType::bf16};
  const std::string text = choices_elsewhere(*backend, layer);
  // Other lines, another device's, and an algorithm that the library no longer knows.
  const std::string before = backend->choices(), header = text.substr(0, text.find('\n') + 1);
  backend->use_choices(header + "not a line\n1 2\n");
  backend->use_choices("another " + text);
  EXPECT_EQ(backend->choices(), before);
  std::string unknown = text;
  const std::size_t line = unknown.find("\n9 24 40 40 24 ") + 1;
  const std::size_t mark = unknown.find(" 2 0 0", line);
  ASSERT_NE(mark, std::string::npos) << text;
  unknown.replace(mark, 6, " 7 0 0");
  unknown.replace(line, 1, "5");  // as if five rows had been met with it
  backend->use_choices(unknown);
  const int tries = cublaslt_on_host_runs(algorithm_that_fails);
  const Layer five{.rows = 5, .n = 24, .k = 40, .compute = ElementType::bf16};
  expect_matches_oracle(run_aligned(*backend, five), five, true);
  EXPECT_GT(cublaslt_on_host_runs(algorithm_that_fails), tries) << "candidates were tried again";
}

TEST_P(Linear, NoRowsAreNoWork) {
  const Layer layer{.rows = 0, .n = 5, .k = 7};
  EXPECT_EQ(run(backend(), layer).size(), 0u);
  EXPECT_EQ(run_stored(backend(), layer).size(), 0u);
}

TEST_P(Linear, RefusesWhatItCannotDo) {
  Numbers x(ElementType::f32, 6), y(ElementType::f32, 6), half(ElementType::bf16, 6);
  std::vector<float> gate(3);
  std::vector<std::byte> packed(backend().linear_packed_bytes(3, 3, ElementType::f32));
  const kernels::LinearArgs good{
      .x = x.view({2, 3}), .weight = packed.data(), .n = 3, .k = 3, .y = y.view({2, 3})};
  EXPECT_EQ(backend().linear(good, nullptr), Status::ok);
  auto bad = good;
  bad.x = half.view({2, 3});
  EXPECT_EQ(backend().linear(bad, nullptr), Status::unsupported_type);
  bad = good;
  bad.accumulate = true;
  bad.y = half.view({2, 3});
  EXPECT_EQ(backend().linear(bad, nullptr), Status::unsupported_type);
  bad = good;
  bad.gate = gate.data();
  EXPECT_EQ(backend().linear(bad, nullptr), Status::bad_shape);
  bad = good;
  bad.y = y.view({3, 2});
  EXPECT_EQ(backend().linear(bad, nullptr), Status::bad_shape);
  EXPECT_EQ(backend().linear_pack(const_view_of(packed.data(), ElementType::u8, {3, 3}),
                                  ElementType::f32, packed.data(), nullptr),
            Status::unsupported_type);
}

}  // namespace
}  // namespace causeway::testing
