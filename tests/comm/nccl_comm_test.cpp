// Exchanges by NCCL that go wrong, on a stand-in for it.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "comm/device_comm.hpp"
#include "support/mpi_test_main.hpp"
#include "support/nccl_on_host/nccl_on_host.hpp"
#include "tensor/tensor.hpp"

namespace causeway::testing {
namespace {

/// What `work` throws: all that a person would need, and the exit code of communication.
std::string failure_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::communication) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "it did not fail";
  return "";
}

void exchange_one_byte(Communicator& group) {
  const auto ranks = static_cast<std::size_t>(group.size());
  Exchange plan{std::vector<std::int64_t>(ranks, 1),
                std::vector<std::int64_t>(ranks, 0),
                std::vector<std::int64_t>(ranks, 1),
                {}};
  for (std::size_t r = 0; r < ranks; ++r)
    plan.receive_offset.push_back(static_cast<std::int64_t>(r));
  const auto me = static_cast<std::size_t>(group.rank());
  plan.send_bytes[me] = plan.receive_bytes[me] = 0;
  std::vector<char> from(1), to(ranks);
  group.exchange(plan, from.data(), to.data());
}

class NcclFailure : public ::testing::Test {
 protected:
  void SetUp() override {
    if (process().world().size() == 1) GTEST_SKIP() << "one rank exchanges nothing";
  }
  void TearDown() override {
    set_nccl_fault(NcclFault::none);
    EXPECT_EQ(nccl_communicators(), 0);
  }
};

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

}  // namespace
}  // namespace causeway::testing
