// Exchanges by NCCL that are late or go wrong, on a stand-in for it.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "comm/device_comm.hpp"
#include "known_exchange.hpp"
#include "support/mpi_test_main.hpp"
#include "support/nccl_on_host/nccl_on_host.hpp"
#include "tensor/tensor.hpp"

namespace causeway::testing {
namespace {

/// What `work` throws: all that a person would need, and its exit code.
std::string failure_of(const std::function<void()>& work, ExitCode code = ExitCode::communication) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "it did not fail";
  return "";
}

/// Where there are other ranks; afterwards nothing of the stand-in is left.
class NcclExchange : public ::testing::Test {
 protected:
  void SetUp() override {
    if (process().world().size() == 1) GTEST_SKIP() << "one rank exchanges nothing";
  }
  void TearDown() override {
    set_nccl_fault(NcclFault::none);
    EXPECT_EQ(left_by_nccl(), 0);
  }
};

TEST_F(NcclExchange, OverlapsFromFourRanksOnWithWorkThatTakesLongerThanALatency) {
  const auto group = nccl_on_host(process(), host_memory());
  EXPECT_EQ(group->overlaps(8e9), group->size() >= 4);
  EXPECT_FALSE(group->overlaps(7.9e9));
}

TEST_F(NcclExchange, BesideIsUnderWayUntilItIsJoined) {
  const auto group = nccl_on_host(process(), host_memory());
  KnownExchange first(*group, 0), second(*group, 1);
  first.exchange_beside();
  second.exchange_beside();
  EXPECT_GT(first.bytes_missing(), 0);
  EXPECT_GT(second.bytes_missing(), 0);
  group->join();
  EXPECT_EQ(first.bytes_missing(), 0);
  EXPECT_EQ(second.bytes_missing(), 0);
}

TEST_F(NcclExchange, BesideReadsWhatIsSentAsLateAsThat) {
  const auto group = nccl_on_host(process(), host_memory());
  KnownExchange known(*group, 0);
  known.exchange_beside();
  known.forget_what_was_sent();  // a mistake, which the stand-in shows
  group->join();
  EXPECT_GT(known.bytes_missing(), 0);
}

TEST_F(NcclExchange, IsFinishedBesideToo) {
  const auto group = nccl_on_host(process(), host_memory());
  KnownExchange known(*group, 0);
  known.exchange_beside();
  group->finish();
  EXPECT_EQ(known.bytes_missing(), 0);
}

TEST_F(NcclExchange, BesideArrivesBeforeTheGroupEnds) {
  auto group = nccl_on_host(process(), host_memory());
  KnownExchange known(*group, 0);
  known.exchange_beside();
  group = nullptr;
  EXPECT_EQ(left_by_nccl(), 0);
}

void exchange_one_byte(Communicator& group, bool beside = false) {
  const auto ranks = static_cast<std::size_t>(group.size());
  Exchange plan{std::vector<std::int64_t>(ranks, 1),
                std::vector<std::int64_t>(ranks, 0),
                std::vector<std::int64_t>(ranks, 1),
                {}};
  for (std::size_t r = 0; r < ranks; ++r)
    plan.receive_offset.push_back(static_cast<std::int64_t>(r));
  const auto me = static_cast<std::size_t>(group.rank());
  plan.send_bytes[me] = plan.receive_bytes[me] = 0;
  static char from = 0, to[64] = {};  // an exchange beside may outlive this call
  ASSERT_LE(ranks, sizeof to);
  if (beside) {
    group.exchange_beside(plan, &from, to);
  } else {
    group.exchange(plan, &from, to);
  }
}

using NcclFailure = NcclExchange;

TEST_F(NcclFailure, OfOneRankThatCannotJoinIsThrownByAll) {
  const bool last = process().world().rank() == process().world().size() - 1;
  const auto text = failure_of([&] {
    nccl_on_host(process(), host_memory(), 60, last ? NcclFault::init_fails : NcclFault::none);
  });
  EXPECT_NE(text.find("NCCL could not connect the"), std::string::npos) << text;
  EXPECT_NE(text.find(fmt::format("rank {}: ", process().world().size() - 1)), std::string::npos);
  EXPECT_NE(text.find("unhandled system error (no route to host)"), std::string::npos) << text;
  EXPECT_NE(text.find("parallel.exchange: host"), std::string::npos) << text;
}

TEST_F(NcclFailure, OfARankThatNeverComesEndsThePatienceOfTheOthers) {
  const auto text =
      failure_of([] { nccl_on_host(process(), host_memory(), 0.05, NcclFault::never_joins); });
  EXPECT_NE(text.find("had no end for 0.05 s"), std::string::npos) << text;
}

TEST_F(NcclFailure, OfASendIsToldAndLeavesNoOpenGroup) {
  const auto group = nccl_on_host(process(), host_memory());
  set_nccl_fault(NcclFault::send_fails);
  const auto text = failure_of([&] { exchange_one_byte(*group); });
  EXPECT_NE(text.find("ncclSend or ncclRecv failed on rank"), std::string::npos) << text;
}

TEST_F(NcclFailure, OfARemoteRankIsTold) {
  const auto group = nccl_on_host(process(), host_memory());
  set_nccl_fault(NcclFault::exchange_fails);
  const auto text = failure_of([&] { exchange_one_byte(*group); });
  EXPECT_NE(text.find("remote process exited"), std::string::npos) << text;
}

TEST_F(NcclFailure, OfAnExchangeThatNeverArrivesEndsThePatience) {
  const auto group = nccl_on_host(process(), host_memory(), 0.05);
  set_nccl_fault(NcclFault::never_arrives);
  const auto text = failure_of([&] { exchange_one_byte(*group); });
  EXPECT_NE(text.find("had no end for 0.05 s"), std::string::npos) << text;
  EXPECT_NE(text.find("parallel.patience"), std::string::npos) << text;
}

/// A device that is never done: a kernel of NCCL waits on it for a rank that is gone.
class BusyMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes) override { return host_memory().allocate(bytes); }
  void release(void* pointer, std::size_t bytes) noexcept override {
    host_memory().release(pointer, bytes);
  }
  void fill_zero(void* pointer, std::size_t bytes) override { std::memset(pointer, 0, bytes); }
  bool is_host() const override { return true; }
  void copy_in(void* to, const void* from, std::size_t bytes) override {
    std::memcpy(to, from, bytes);
  }
  void copy_out(void* to, const void* from, std::size_t bytes) override {
    std::memcpy(to, from, bytes);
  }
  void wait() override { ADD_FAILURE() << "nobody waits for ever"; }
  bool idle() override { return false; }
  std::size_t bytes_in_use() const override { return 0; }
  std::size_t peak_bytes() const override { return 0; }
};

TEST_F(NcclFailure, OfAnExchangeThatHangsOnTheDeviceEndsThePatience) {
  BusyMemory memory;
  const auto group = nccl_on_host(process(), memory, 0.05);
  exchange_one_byte(*group);
  const auto text = failure_of([&] { group->finish(); });
  EXPECT_NE(text.find("had no end for 0.05 s"), std::string::npos) << text;
}

TEST_F(NcclFailure, OfOneRankWithoutAStreamIsThrownByAll) {
  const bool last = process().world().rank() == process().world().size() - 1;
  const auto text = failure_of([&] {
    nccl_on_host(process(), host_memory(), 60, last ? NcclFault::no_stream : NcclFault::none);
  });
  EXPECT_NE(text.find(fmt::format("rank {}: CUDA: making a stream failed "
                                  "(cudaErrorMemoryAllocation: out of memory)",
                                  process().world().size() - 1)),
            std::string::npos)
      << text;
}

TEST_F(NcclFailure, OfAStreamThatCannotWaitIsTold) {
  const auto group = nccl_on_host(process(), host_memory());
  exchange_one_byte(*group, true);
  set_nccl_fault(NcclFault::wait_fails);
  for (const bool join : {true, false}) {
    const auto text = failure_of([&] { join ? group->join() : exchange_one_byte(*group, true); },
                                 ExitCode::device);
    EXPECT_NE(text.find("CUDA: letting a stream wait failed"), std::string::npos) << text;
  }
  set_nccl_fault(NcclFault::none);
}

TEST_F(NcclFailure, OfASendBesideIsTold) {
  const auto group = nccl_on_host(process(), host_memory());
  set_nccl_fault(NcclFault::send_fails);
  const auto text = failure_of([&] { exchange_one_byte(*group, true); });
  EXPECT_NE(text.find("ncclSend or ncclRecv failed on rank"), std::string::npos) << text;
}

TEST_F(NcclFailure, OfAnExchangeBesideThatHangsEndsThePatience) {
  for (const bool joined : {true, false}) {
    const auto group = nccl_on_host(process(), host_memory(), 0.05);
    set_nccl_fault(NcclFault::stream_hangs);
    exchange_one_byte(*group, true);
    if (joined) group->join();
    const auto text = failure_of([&] { group->finish(); });
    EXPECT_NE(text.find("had no end for 0.05 s"), std::string::npos) << text;
    set_nccl_fault(NcclFault::none);
  }
}

/// How many exchanges, after one beside that hangs, a rank may ask for before it gives up.
int exchanges_ahead(const std::function<void(Communicator&)>& exchange) {
  const auto group = nccl_on_host(process(), host_memory(), 0.05);
  set_nccl_fault(NcclFault::stream_hangs);
  exchange_one_byte(*group, true);
  int ahead = 0;
  failure_of([&] {
    for (; ahead < 1000; ++ahead) exchange(*group);
  });
  set_nccl_fault(NcclFault::none);
  return ahead;
}

TEST_F(NcclFailure, OfAnExchangeBesideIsNoticedBeforeADeviceHasTooMuchAhead) {
  EXPECT_EQ(15, exchanges_ahead([](Communicator& group) { exchange_one_byte(group); }));
  // Those of one join count as one, so that a layer counts as much as in a plain exchange.
  EXPECT_EQ(15, exchanges_ahead([](Communicator& group) {
              group.join();
              for (int i = 0; i < 3; ++i) exchange_one_byte(group, true);
            }));
  EXPECT_EQ(16 * 16 - 1,
            exchanges_ahead([](Communicator& group) { exchange_one_byte(group, true); }));
}

TEST_F(NcclFailure, OfAnExchangeBesideDoesNotHoldUpTheEndOfTheGroup) {
  auto group = nccl_on_host(process(), host_memory(), 0.05);
  set_nccl_fault(NcclFault::stream_hangs);
  exchange_one_byte(*group, true);
  group = nullptr;  // which gives up
}

}  // namespace
}  // namespace causeway::testing
