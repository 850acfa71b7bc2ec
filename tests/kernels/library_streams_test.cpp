// Libraries on several streams of the device at once, each with memory and plans of its own.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "kernels/library_cases.hpp"
#include "kernels/linear_layers.hpp"
#include "kernels/on_host.hpp"
#include "support/compare.hpp"
#include "support/cuda_on_host/streams_on_host.hpp"
#include "support/cudnn_on_host/cudnn_on_host.hpp"

namespace causeway::testing {
namespace {

using kernels::Stream;

/// Names of streams; nothing lies there.
Stream stream_named(std::uintptr_t name) { return reinterpret_cast<Stream>(name); }

ConvolutionCase convolution(std::int64_t in, std::int64_t out) {
  return {in, out, {3, 3, 3}, {1, 1, 1}, {2, 1, 1}, {0, 1, 1}, {2, 3, 4}};
}

constexpr Layer layer{
    .rows = 5, .n = 24, .k = 16, .compute = ElementType::bf16, .y_type = ElementType::bf16};

/// Every kind of work that a library does, with data of its own.
struct Work {
  const kernels::Kernels& backend;
  PreparedConvolution<OnHost> convolution;
  std::vector<AttentionCase> attentions;
  Prepared linear{backend, layer};

  /// The results, one after the other.
  std::vector<float> on(Stream stream) {
    const OneStream only(stream);
    std::vector<float> all = convolution.result(stream);
    for (const AttentionCase& c : attentions) {
      const auto one = attend<OnHost>(backend, c, stream);
      all.insert(all.end(), one.begin(), one.end());
    }
    EXPECT_EQ(backend.linear(linear.arguments(0, layer.rows), stream), Status::ok);
    for (std::size_t i = 0; i < linear.y.size(); ++i) all.push_back(linear.y[i]);
    return all;
  }
};

Work some_work(const kernels::Kernels& backend) {
  return {backend,
          {backend, convolution(7, 4)},
          {{2, 16, 3, 13, 0.0f}, {1, 8, 2, 9, 2.0f}, {1, 8, 2, 11, 1.0f}, {1, 8, 2, 801, 0.0f}}};
}
Work other_work(const kernels::Kernels& backend) {
  return {backend,
          {backend, convolution(3, 8)},
          {{1, 24, 5, 17, 0.0f}, {1, 8, 3, 10, 3.0f}, {2, 16, 3, 13, 0.0f}, {1, 8, 3, 903, 0.0f}}};
}

class LibraryStreams : public ::testing::Test {
 protected:
  void SetUp() override {
    if (libraries_on_host_kernels() == nullptr) GTEST_SKIP() << "no fibres here";
    set_multiprocessors_on_host(132);  // so that attention may be split
  }
  void TearDown() override { EXPECT_EQ(work_astray(), 0) << "work on a stream that was not named"; }
  static const kernels::Kernels& plain() { return *cuda_on_host_kernels(); }
  static const kernels::Kernels& libraries() { return *libraries_on_host_kernels(); }
};

TEST_F(LibraryStreams, TwoThreadsWorkOnTwoStreams) {
  const auto expected = some_work(plain()).on(nullptr);
  const auto others = other_work(plain()).on(nullptr);
  Work mine = some_work(libraries()), theirs = other_work(libraries());
  constexpr int rounds = 20;
  const AttentionOnHost split(8);
  std::thread beside([&] {
    for (int i = 0; i < rounds; ++i) {
      EXPECT_LT(relative_l2(theirs.on(stream_named(16)), others), 6e-3);
    }
  });
  for (int i = 0; i < rounds; ++i) {
    EXPECT_LT(relative_l2(mine.on(nullptr), expected), 6e-3);
  }
  beside.join();
}

/// What a thread does on another stream while this one is within a library.
void expect_room_beside(const std::function<void()>& call) {
  Work theirs = other_work(*libraries_on_host_kernels());
  std::future<void> beside;
  bool finished = false;
  call_within_next_library_call([&] {
    beside = std::async(std::launch::async, [&] { theirs.on(stream_named(32)); });
    finished = beside.wait_for(std::chrono::seconds(60)) == std::future_status::ready;
  });
  call();
  call_within_next_library_call(nullptr);
  EXPECT_TRUE(finished) << "the other stream waits for this one";
}

TEST_F(LibraryStreams, OneDoesNotWaitForAnother) {
  const PreparedConvolution<OnHost> made(libraries(), convolution(7, 6));
  Prepared linear(libraries(), {.rows = 4, .n = 24, .k = 16, .compute = ElementType::bf16});
  const Stream stream = stream_named(48);
  expect_room_beside([&] { made.prepare(stream); });  // while plans are tried
  expect_room_beside([&] { made.result(stream); });
  expect_room_beside([&] { attend<OnHost>(libraries(), {2, 16, 3, 14, 0.0f}, stream); });
  for (int i = 0; i < 2; ++i) {  // while algorithms are tried, and after
    expect_room_beside([&] { libraries().linear(linear.arguments(0, 4), stream); });
  }
}

TEST_F(LibraryStreams, OneTakesUpWhatAnotherFoundOut) {
  const PreparedConvolution<OnHost> made(libraries(), convolution(9, 5));
  made.result(stream_named(16));
  const int slow = cudnn_on_host_runs(slow_plan);
  EXPECT_GT(slow, 0);
  made.result(stream_named(64));
  EXPECT_EQ(cudnn_on_host_runs(slow_plan), slow) << "tried again";
  Prepared linear(libraries(), {.rows = 3, .n = 40, .k = 24, .compute = ElementType::bf16});
  libraries().linear(linear.arguments(0, 3), stream_named(16));
  const int failed = cublaslt_on_host_runs(algorithm_that_fails);
  EXPECT_GT(failed, 0);
  libraries().linear(linear.arguments(0, 3), stream_named(64));
  EXPECT_EQ(cublaslt_on_host_runs(algorithm_that_fails), failed) << "tried again";
}

TEST_F(LibraryStreams, AConvolutionIsPreparedForEachOfThem) {
  for (const kernels::Kernels* backend : {&plain(), &libraries()}) {
    const PreparedConvolution<OnHost> made(*backend, convolution(2, 3));
    const OnHost y(std::vector<float>(2 * 3 * 4 * 3));
    EXPECT_EQ(made.prepare(stream_named(16)), Status::ok);
    EXPECT_EQ(made.run(y, stream_named(80)), Status::bad_shape);
    EXPECT_EQ(made.prepare(stream_named(80)), Status::ok);
    EXPECT_EQ(made.run(y, stream_named(80)), Status::ok);
    EXPECT_EQ(made.run(y, stream_named(16)), Status::ok);
  }
}

TEST_F(LibraryStreams, PlansOfConvolutionsGoWithTheLastOfThemOnEveryStream) {
  const auto expected = convolve<OnHost>(plain(), convolution(6, 5));
  for (int i = 0; i < 2; ++i) {
    const PreparedConvolution<OnHost> made(libraries(), convolution(6, 5));
    EXPECT_LT(relative_l2(made.result(stream_named(16)), expected), 6e-3);
    EXPECT_LT(relative_l2(made.result(nullptr), expected), 6e-3);
    EXPECT_EQ(cudnn_on_host_convolutions(), 2);
  }
  EXPECT_EQ(cudnn_on_host_convolutions(), 0);
}

}  // namespace
}  // namespace causeway::testing
