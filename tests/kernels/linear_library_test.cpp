// How the linear layers of a library find the fastest algorithm, and remember it.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kernels/linear_layers.hpp"

namespace causeway::testing {
namespace {

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

}  // namespace
}  // namespace causeway::testing
