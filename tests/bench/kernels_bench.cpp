// Times linear layers and attention on the CPU backend, beside the peak of the same run.
//
//   kernels_bench [--tiny] [--shared] [--repeats N]
// `--tiny` runs small sizes, for the answers alone. `--shared` is for a machine that others use
// meanwhile: it counts this process's processor time per thread in place of the clock on the wall.
// Every result is compared with a float64 oracle at some rows; a wrong one ends the program with 1.
// Element types and shapes are those of Wan2.1's 1.3B network.
#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "support/attention_oracle.hpp"
#include "support/compare.hpp"
#include "support/linear_oracle.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {
namespace {

using kernels::Kernels;
using kernels::Status;

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

struct Settings {
  bool tiny = false, shared = false;
  int repeats = 5;
};

double seconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}
double processor_seconds() { return seconds_of(CLOCK_PROCESS_CPUTIME_ID) / omp_get_max_threads(); }

/// Median seconds of the runs after one that is not counted.
template <class Work>
double median_seconds(const Settings& settings, Work work) {
  const auto now = [&] {
    return settings.shared ? processor_seconds() : seconds_of(CLOCK_MONOTONIC);
  };
  std::vector<double> taken;
  for (int i = -1; i < settings.repeats; ++i) {
    const double start = now();
    work();
    if (i >= 0) taken.push_back(now() - start);
  }
  const auto middle = taken.begin() + static_cast<std::ptrdiff_t>(taken.size() / 2);
  std::nth_element(taken.begin(), middle, taken.end());
  return *middle;
}

/// The peak of all threads; with `shared`, that of one thread while it runs, times their number.
double measured_peak(const Kernels& backend, const Settings& settings, ElementType type) {
  if (!settings.shared) return backend.measure_peak(type);
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const double wall = seconds_of(CLOCK_MONOTONIC), processor = processor_seconds();
  const double rate = backend.measure_peak(type);
  const double share = (processor_seconds() - processor) / (seconds_of(CLOCK_MONOTONIC) - wall);
  omp_set_num_threads(threads);
  return rate / share * threads;
}

class Bench {
 public:
  Bench(const Kernels& backend, const Settings& settings)
      : backend_(backend), settings_(settings) {}

  bool all_right() const { return all_right_; }
  void linear(ElementType compute, std::int64_t rows, std::int64_t n, std::int64_t k,
              kernels::Activation activation);
  void attention(ElementType type, std::int64_t heads, std::int64_t head_dim, std::int64_t tokens,
                 std::int64_t valid);

 private:
  /// The peak is measured before and after each line, as the clock drifts.
  template <class Work>
  void report(const std::string& what, ElementType type, double flops, double error, double allowed,
              Work work) {
    const double before = measured_peak(backend_, settings_, type);
    const double seconds = median_seconds(settings_, work);
    const double peak = (before + measured_peak(backend_, settings_, type)) / 2;
    const bool right = error < allowed;  // false for NaN
    all_right_ = all_right_ && right;
    fmt::print("{:<42} {:>10.3f} {:>10.1f} {:>8.1f} {:>11.1e} {}\n", what, seconds * 1e3,
               flops / seconds * 1e-9, 100.0 * flops / seconds / peak, error, right ? "" : "WRONG");
    std::fflush(stdout);
  }

  const Kernels& backend_;
  Settings settings_;
  bool all_right_ = true;
};

/// Rows to look at: the ends and some between.
std::vector<std::int64_t> some_rows(std::int64_t rows) { return {0, rows / 3, rows / 2, rows - 1}; }

void Bench::linear(ElementType compute, std::int64_t rows, std::int64_t n, std::int64_t k,
                   kernels::Activation activation) {
  Numbers x(compute, random_normal(index(rows * k), 1)), y(compute, index(rows * n));
  Numbers weight(compute, random_normal(index(n * k), 2, 1.0f / std::sqrt(static_cast<float>(k))));
  const auto bias = random_normal(index(n), 3);
  std::vector<std::byte> packed(backend_.linear_packed_bytes(n, k, compute));
  backend_.linear_pack(weight.view({n, k}), compute, packed.data(), nullptr);
  kernels::LinearArgs args;
  args.x = x.view({rows, k});
  args.weight = packed.data();
  args.n = n;
  args.k = k;
  args.compute = compute;
  args.bias = bias.data();
  args.activation = activation;
  args.y = y.view({rows, n});
  bool ran = backend_.linear(args, nullptr) == Status::ok;
  std::vector<double> got, oracle;
  for (const std::int64_t row : some_rows(rows)) {
    for (std::int64_t i = 0; i < n; i += std::max<std::int64_t>(1, n / 97)) {
      got.push_back(static_cast<double>(y[index(row * n + i)]));
      oracle.push_back(
          activation_oracle(activation, linear_oracle(x, k, weight, bias, k, row, i).value));
    }
  }
  const double error = ran ? relative_l2(got, oracle) : NAN;
  report(fmt::format("linear {} {}x{}x{}{}", name_of(compute), rows, n, k,
                     activation == kernels::Activation::gelu_tanh ? " gelu" : ""),
         compute, 2.0 * static_cast<double>(rows) * static_cast<double>(n) * static_cast<double>(k),
         error, compute == ElementType::f32 ? 2e-6 : 4e-3, [&] { backend_.linear(args, nullptr); });
}

void Bench::attention(ElementType type, std::int64_t heads, std::int64_t head_dim,
                      std::int64_t tokens, std::int64_t valid) {
  const std::int64_t width = heads * head_dim;
  Numbers q(type, random_normal(index(tokens * width), 4)), y(type, index(tokens * width));
  Numbers k(type, random_normal(index(valid * width), 5)),
      v(type, random_normal(index(valid * width), 6));
  const kernels::KvLayout layout{heads, head_dim, valid, type};
  std::vector<std::byte> cache(backend_.kv_bytes(layout));
  backend_.kv_clear(layout, cache.data(), nullptr);
  kernels::KvStoreArgs store{.layout = layout,
                             .cache = cache.data(),
                             .k = k.view({valid, heads, head_dim}),
                             .v = v.view({valid, heads, head_dim}),
                             .slot = 0};
  backend_.kv_store(store, nullptr);
  kernels::AttentionArgs args{.layout = layout,
                              .cache = cache.data(),
                              .valid = valid,
                              .scale = 1.0f / std::sqrt(static_cast<float>(head_dim)),
                              .q = q.view({tokens, heads, head_dim}),
                              .y = y.view({tokens, heads, head_dim})};
  const bool ran = backend_.attention(args, nullptr) == Status::ok;
  std::vector<double> got, oracle;
  for (const std::int64_t row : some_rows(tokens)) {
    const auto head = index(row % heads), dim = index(head_dim);
    std::vector<double> query;
    for (std::size_t i = 0; i < dim; ++i) {
      query.push_back(static_cast<double>(q[index(row * width) + head * dim + i]));
      got.push_back(static_cast<double>(y[index(row * width) + head * dim + i]));
    }
    const auto element = [&](const Numbers& of) {
      return [&of, head, dim, width](std::size_t j, std::size_t i) {
        return static_cast<double>(of[j * index(width) + head * dim + i]);
      };
    };
    const auto exact = attention_oracle(
        query, index(valid), element(k), element(v), [](std::size_t) { return 0.0; },
        static_cast<double>(args.scale));
    oracle.insert(oracle.end(), exact.begin(), exact.end());
  }
  const double error = ran ? relative_l2(got, oracle) : NAN;
  report(
      fmt::format("attention {} {}x{} q {} kv {}", name_of(type), heads, head_dim, tokens, valid),
      type,
      4.0 * static_cast<double>(tokens) * static_cast<double>(valid) * static_cast<double>(width),
      error, type == ElementType::f32 ? 2e-6 : 5e-3, [&] { backend_.attention(args, nullptr); });
}

int run(const Settings& settings) {
  const Kernels* backend = kernels::cpu_kernels();
  if (backend == nullptr) {
    fmt::print(stderr,
               "kernels_bench: no CPU backend: CAUSEWAY_CPU_ISA is unknown or cannot run here.\n");
    return 2;
  }
  fmt::print("{}, {} threads; peak f32 {:.0f}, bf16 {:.0f} GFLOP/s\n", backend->name,
             omp_get_max_threads(), measured_peak(*backend, settings, ElementType::f32) * 1e-9,
             measured_peak(*backend, settings, ElementType::bf16) * 1e-9);
  fmt::print("{:<42} {:>10} {:>10} {:>8} {:>11}\n", "shape (rows x n x k)", "ms", "GFLOP/s",
             "% peak", "error");
  Bench bench(*backend, settings);
  using kernels::Activation;
  for (const ElementType type : {ElementType::bf16, ElementType::f32}) {
    if (settings.tiny) {
      bench.linear(type, 61, 130, 70, Activation::none);
      bench.linear(type, 13, 70, 1601, Activation::gelu_tanh);
      bench.attention(type, 2, 32, 67, 300);
      bench.attention(type, 1, 80, 5, 33);
      continue;
    }
    for (const std::int64_t rows : {4680, 1560, 780}) {
      bench.linear(type, rows, 4608, 1536, Activation::none);
      bench.linear(type, rows, 1536, 1536, Activation::none);
      bench.linear(type, rows, 8960, 1536, Activation::gelu_tanh);
      bench.linear(type, rows, 1536, 8960, Activation::none);
    }
    bench.attention(type, 12, 128, 4680, 512);
    bench.attention(type, 12, 128, 4680, 4680);
    bench.attention(type, 12, 128, 4680, 18720);
  }
  return bench.all_right() ? 0 : 1;
}

}  // namespace
}  // namespace causeway::testing

int main(int argc, char** argv) {
  causeway::testing::Settings settings;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--tiny") == 0) {
      settings.tiny = true;
    } else if (std::strcmp(argv[i], "--shared") == 0) {
      settings.shared = true;
    } else if (std::strcmp(argv[i], "--repeats") == 0 && i + 1 < argc &&
               std::atoi(argv[i + 1]) > 0) {
      settings.repeats = std::atoi(argv[++i]);
    } else {
      fmt::print(stderr,
                 "kernels_bench: '{}' is no option of mine; try --tiny, --shared or --repeats N.\n",
                 argv[i]);
      return 2;
    }
  }
  return causeway::testing::run(settings);
}
