// The queue: every sample once, longest first, groups that never wait for each other.
#include "batch/sample_queue.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <thread>

#include "support/mpi_test_main.hpp"

namespace causeway::testing {
namespace {

class Record final : public QueueObserver {
 public:
  void taken(std::size_t number, int) override { order.push_back(number); }
  void progressed(std::int64_t frames) override { frames_seen += frames; }
  void ended(const SampleResult& result) override {
    results.push_back(result);
    if (result.number == fail_at) throw Error(ExitCode::output, "the journal cannot be written");
  }
  std::vector<std::size_t> order;
  std::vector<SampleResult> results;
  std::int64_t frames_seen = 0;
  std::size_t fail_at = 1000;
};

std::string text_of(std::size_t number) { return "sample " + std::to_string(number) + " \xc3\xa9"; }

SampleResult done(std::size_t number) {
  SampleResult result;
  result.number = number;
  result.done = true;
  result.frames = 9;
  result.details = "{}";
  return result;
}

/// Every rank is a group of its own; returns how many samples this one got.
std::size_t work(int group, std::chrono::milliseconds pause, ExitCode failure = ExitCode::success) {
  QueueClient client(process().mailbox(), group);
  std::optional<SampleResult> last;
  std::size_t count = 0;
  while (const auto text = client.next(last ? &*last : nullptr)) {
    ++count;
    const auto number = static_cast<std::size_t>(std::stoul(text->substr(7)));
    EXPECT_EQ(*text, text_of(number));
    std::this_thread::sleep_for(pause);
    client.progressed(9);
    last = done(number);
    if (failure != ExitCode::success) {
      last->done = false;
      last->code = failure;
      last->problem = "no luck";
    }
  }
  return count;
}

TEST(SampleQueue, HandsOutEverySampleOnceInTheGivenOrderWhileASlowGroupHoldsNobodyUp) {
  auto& world = process().world();
  Record record;
  std::unique_ptr<QueueServer> server;
  if (world.rank() == 0) {
    server = std::make_unique<QueueServer>(process().mailbox(),
                                           std::vector<std::size_t>{4, 2, 0, 1, 3, 5, 6, 7, 8, 9},
                                           world.size(), text_of, record);
  }
  // Rank 0 is ten times slower than the others.
  const std::size_t mine =
      work(world.rank(), std::chrono::milliseconds(world.rank() == 0 ? 200 : 20));
  if (world.size() > 1 && world.rank() == 0) {
    EXPECT_LE(mine, 4u);
  }
  if (server) {
    server->join();
    EXPECT_EQ(record.order, (std::vector<std::size_t>{4, 2, 0, 1, 3, 5, 6, 7, 8, 9}));
    std::set<std::size_t> ended;
    for (const auto& result : record.results) ended.insert(result.number);
    EXPECT_EQ(ended.size(), 10u);
    EXPECT_EQ(record.results.size(), 10u);
    EXPECT_EQ(record.frames_seen, 90);
    EXPECT_EQ(server->left(), 0u);
  }
  world.barrier();
}

TEST(SampleQueue, StopsHandingOutAfterAnOutputErrorAndEveryGroupComesHome) {
  auto& world = process().world();
  Record record;
  std::unique_ptr<QueueServer> server;
  if (world.rank() == 0) {
    std::vector<std::size_t> many(100);
    for (std::size_t i = 0; i < many.size(); ++i) many[i] = i;
    server =
        std::make_unique<QueueServer>(process().mailbox(), many, world.size(), text_of, record);
  }
  work(world.rank(), std::chrono::milliseconds(5), ExitCode::output);
  if (server) {
    server->join();
    EXPECT_EQ(record.results.size() + server->left(), 100u);
    EXPECT_GE(server->left(), 90u);
  }
  world.barrier();
}

TEST(SampleQueue, GoesOnAfterAnInputErrorOfOneSample) {
  auto& world = process().world();
  Record record;
  std::unique_ptr<QueueServer> server;
  if (world.rank() == 0) {
    server = std::make_unique<QueueServer>(
        process().mailbox(), std::vector<std::size_t>{0, 1, 2, 3}, world.size(), text_of, record);
  }
  work(world.rank(), std::chrono::milliseconds(1), ExitCode::input);
  if (server) {
    server->join();
    EXPECT_EQ(record.results.size(), 4u);
    EXPECT_EQ(server->left(), 0u);
  }
  world.barrier();
}

TEST(SampleQueue, AnObserverThatFailsStopsTheRunAndIsHeardOf) {
  auto& world = process().world();
  Record record;
  record.fail_at = 1;
  std::unique_ptr<QueueServer> server;
  if (world.rank() == 0) {
    server = std::make_unique<QueueServer>(process().mailbox(),
                                           std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
                                           world.size(), text_of, record);
  }
  work(world.rank(), std::chrono::milliseconds(5));
  if (server) {
    EXPECT_THROW(server->join(), Error);
  }
  world.barrier();
}

}  // namespace
}  // namespace causeway::testing
