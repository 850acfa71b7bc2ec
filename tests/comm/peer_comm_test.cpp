// Peer copies at any pace, windows that grow, and what goes wrong, on a stand-in for CUDA.
#include <gtest/gtest.h>

#include <functional>

#include "comm/device_comm.hpp"
#include "comm/exchange_window.hpp"
#include "known_exchange.hpp"
#include "support/cuda_ipc_on_host/cuda_ipc_on_host.hpp"
#include "support/device_on_host/device_on_host.hpp"
#include "support/mpi_test_main.hpp"

namespace causeway::testing {
namespace {

class PeerCopies : public ::testing::Test {
 protected:
  void SetUp() override {
    if (device_on_host() == nullptr) GTEST_SKIP() << "fibres cannot be used in this build";
    memory_ = &device_on_host()->memory();
    before_ = memory_->bytes_in_use();
  }
  /// Whatever happened, no memory is left, and no one has any open.
  void TearDown() override {
    set_ipc_fault(IpcFault::none);
    set_pace_of_device_on_host(Pace::late);
    lose_device_on_host(false);
    if (memory_ == nullptr) return;
    EXPECT_EQ(opened_windows(), 0);
    EXPECT_EQ(memory_->bytes_in_use(), before_);
  }
  bool is_last() const { return process().world().rank() == process().world().size() - 1; }
  std::string last_rank() const { return fmt::format("rank {}: ", process().world().size() - 1); }

  Memory* memory_ = nullptr;
  std::size_t before_ = 0;
};

TEST_F(PeerCopies, ArriveHoweverFastTheDeviceOfEachRankIs) {
  const auto group = peers_on_host(process());
  constexpr Pace paces[] = {Pace::at_once, Pace::slow, Pace::late};
  constexpr int rounds = 36;  // four of them together, then the devices change their paces
  std::vector<std::unique_ptr<KnownExchange>> known;
  for (int round = 0; round < rounds; ++round) {
    if (round % 4 == 0) set_pace_of_device_on_host(paces[(round / 4 + group->rank()) % 3]);
    known.push_back(std::make_unique<KnownExchange>(*group, round));
    if (round % 4 < 3) continue;
    for (const auto& each : known) each->exchange();
    group->finish();
    for (const auto& each : known) each->expect_arrived();
    known.clear();
  }
}

TEST_F(PeerCopies, TakeTheirTurnBetweenWhatElseTheDeviceDoes) {
  const auto group = peers_on_host(process());
  KnownExchange known(*group, 0);
  known.exchange();
  known.expect_arrived();  // copies out after them without waiting
}

TEST_F(PeerCopies, ArriveAlsoWhereAWindowGrowsBeforeAnyoneWaitedForThem) {
  for (const bool before : {true, false}) {
    const auto group = peers_on_host(process());
    KnownExchange small(*group, 0), large(*group, 1, 2000);
    small.exchange();
    if (before) group->make_room(large.plan());
    large.exchange();
    small.expect_arrived();
    large.expect_arrived();
  }
}

TEST_F(PeerCopies, HoldAWindowOfTwiceWhatARankSends) {
  constexpr std::size_t least = std::size_t{2} << 20;
  const auto group = peers_on_host(process());
  EXPECT_EQ(memory_->bytes_in_use() - before_, least);
  KnownExchange known(*group, 0, 2000);
  const std::size_t span = SentSpan(known.plan()).bytes();
  const std::size_t with_buffers = memory_->bytes_in_use() - least;
  group->make_room(known.plan());
  const std::size_t window = memory_->bytes_in_use() - with_buffers;
  EXPECT_EQ(window, std::max(least, (2 * span + least - 1) / least * least));
  EXPECT_EQ(opened_windows(), group->size() - 1);
  known.exchange();
  known.expect_arrived();
  KnownExchange(*group, 1).exchange();
  EXPECT_EQ(memory_->bytes_in_use() - with_buffers, window) << "a window stays as large";
}

/// What `work` throws: all that a person would need.
std::string failure_of(ExitCode code, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "it did not fail";
  return "";
}

/// Of one rank, told by all.
class PeerFailure : public PeerCopies {
 protected:
  void SetUp() override {
    if (process().world().size() == 1) GTEST_SKIP() << "one rank shares nothing";
    PeerCopies::SetUp();
  }
};

TEST_F(PeerFailure, OfARankThatCannotOpenTheOthersIsThrownByAll) {
  const auto text = failure_of(ExitCode::communication, [&] {
    peers_on_host(process(), is_last() ? IpcFault::open_fails : IpcFault::none);
  });
  EXPECT_NE(text.find(last_rank()), std::string::npos) << text;
  EXPECT_NE(text.find("opening the GPU memory of rank 0 failed (cudaErrorMapBufferObjectFailed: "
                      "mapping of buffer object failed)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("parallel.exchange: host does without"), std::string::npos) << text;
}

TEST_F(PeerFailure, OfARankThatCannotShareIsThrownByAll) {
  const auto text = failure_of(ExitCode::communication, [&] {
    peers_on_host(process(), is_last() ? IpcFault::share_fails : IpcFault::none);
  });
  EXPECT_NE(text.find(last_rank() + "peer copies: sharing GPU memory failed"), std::string::npos)
      << text;
}

TEST_F(PeerFailure, OfARankWithoutRoomIsThrownByAllAndSmallerExchangesGoOn) {
  const auto group = peers_on_host(process());
  for (const bool before : {true, false}) {
    KnownExchange large(*group, 0, 2000);
    if (is_last()) limit_device_on_host(1);
    const auto text = failure_of(ExitCode::device, [&] {
      if (before) group->make_room(large.plan());
      large.exchange();
    });
    limit_device_on_host(0);
    EXPECT_NE(text.find(last_rank() + "the device has no"), std::string::npos) << text;
    KnownExchange small(*group, 1);
    small.exchange();
    small.expect_arrived();
  }
}

TEST_F(PeerFailure, OfACopyIsThrownByAll) {
  const auto group = peers_on_host(process());
  KnownExchange known(*group, 0);
  if (is_last()) set_ipc_fault(IpcFault::copy_fails);
  const auto text = failure_of(ExitCode::device, [&] { known.exchange(); });
  EXPECT_NE(text.find(last_rank() + "peer copies: a copy into the window failed"),
            std::string::npos)
      << text;
}

TEST_F(PeerFailure, OfALostDeviceIsThrownByAll) {
  const auto group = peers_on_host(process());
  KnownExchange known(*group, 0);
  if (is_last()) lose_device_on_host(true);
  const auto text = failure_of(ExitCode::device, [&] { known.exchange(); });
  EXPECT_NE(text.find(last_rank() + "the device is lost"), std::string::npos) << text;
}

}  // namespace
}  // namespace causeway::testing
