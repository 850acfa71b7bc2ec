// Exchanges of device memory: by way of the host, and by the code for NCCL on a stand-in for it.
#include "comm/device_comm.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "support/device_on_host/device_on_host.hpp"
#include "support/mpi_test_main.hpp"
#include "support/nccl_on_host/nccl_on_host.hpp"

namespace causeway::testing {
namespace {

/// Rank `from` sends this many bytes to `to`; some pairs have nothing to say to each other.
std::int64_t length(int from, int to) {
  return from == to || (from + 2 * to) % 5 == 4 ? 0 : 1000 * from + 10 * to + 1;
}

char byte_of(int from, int to, std::int64_t at, int round) {
  return static_cast<char>(31 * from + 7 * to + 3 * at + 101 * round);
}

class DeviceExchange : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (device_on_host() == nullptr) GTEST_SKIP() << "fibres cannot be used in this build";
    memory_ = &device_on_host()->memory();
    group_ = GetParam() ? nccl_on_host(process(), *memory_)
                        : make_staged_communicator(process().split(0), *memory_);
  }
  Memory* memory_ = nullptr;
  std::unique_ptr<Communicator> group_;
};
INSTANTIATE_TEST_SUITE_P(Ways, DeviceExchange, ::testing::Bool(), [](const auto& instance) {
  return std::string(instance.param ? "nccl" : "host");
});

TEST_P(DeviceExchange, DeliversEveryPairOfRegionsWithGapsAgainAndAgain) {
  const int me = group_->rank(), ranks = group_->size();
  EXPECT_EQ(&group_->memory(), memory_);
  std::int64_t sent = 0, messages = 0;
  for (int round = 0; round < 3; ++round) {
    // Regions lie in the order of ranks, or against it, with a gap of three bytes before each.
    Exchange plan{std::vector<std::int64_t>(static_cast<std::size_t>(ranks)), {}, {}, {}};
    plan.send_offset = plan.receive_bytes = plan.receive_offset = plan.send_bytes;
    std::vector<char> send, receive;
    for (int i = 0; i < ranks; ++i) {
      const int other = round == 1 ? ranks - 1 - i : i;
      const auto at = static_cast<std::size_t>(other);
      send.resize(send.size() + 3, '!');
      plan.send_bytes[at] = length(me, other);
      plan.send_offset[at] = static_cast<std::int64_t>(send.size());
      for (std::int64_t k = 0; k < length(me, other); ++k)
        send.push_back(byte_of(me, other, k, round));
      receive.resize(receive.size() + 3, '?');
      plan.receive_bytes[at] = length(other, me);
      plan.receive_offset[at] = static_cast<std::int64_t>(receive.size());
      receive.resize(receive.size() + static_cast<std::size_t>(length(other, me)), '?');
      sent += length(me, other);
      messages += length(me, other) > 0 ? 1 : 0;
    }
    const auto bytes = [](const std::vector<char>& data) {
      return std::vector<std::int64_t>{static_cast<std::int64_t>(data.size())};
    };
    Tensor from(ElementType::u8, bytes(send), *memory_),
        to(ElementType::u8, bytes(receive), *memory_);
    memory_->copy_in(from.data(), send.data(), send.size());
    memory_->copy_in(to.data(), receive.data(), receive.size());
    group_->exchange(plan, from.data(), to.data());
    group_->finish();
    std::vector<char> expected = receive;
    for (int other = 0; other < ranks; ++other) {
      for (std::int64_t k = 0; k < length(other, me); ++k) {
        const auto at = plan.receive_offset[static_cast<std::size_t>(other)] + k;
        expected[static_cast<std::size_t>(at)] = byte_of(other, me, k, round);
      }
    }
    memory_->copy_out(receive.data(), to.data(), receive.size());
    EXPECT_EQ(receive, expected) << "round " << round;
  }
  EXPECT_EQ(group_->exchanged_bytes(), sent);
  EXPECT_EQ(group_->exchanged_messages(), messages);
}

TEST_P(DeviceExchange, AllElseGoesByTheHost) {
  const int me = group_->rank(), ranks = group_->size();
  EXPECT_EQ(group_->max(me), ranks - 1);
  EXPECT_FALSE(group_->all_agree(me != 0));
  EXPECT_EQ(group_->broadcast(me == ranks - 1 ? std::string("last") : std::string(), ranks - 1),
            "last");
  const auto texts = group_->gather(std::to_string(me), 0);
  if (me == 0) {
    EXPECT_EQ(texts.back(), std::to_string(ranks - 1));
  }
  group_->barrier();
}

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
