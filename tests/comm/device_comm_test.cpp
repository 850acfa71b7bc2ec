// Exchanges of device memory, every way that they go by.
#include "comm/device_comm.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "known_exchange.hpp"
#include "support/mpi_test_main.hpp"

namespace causeway::testing {
namespace {

class DeviceExchange : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    group_ = group_by(GetParam());
    if (group_ == nullptr) GTEST_SKIP() << no_group;
  }
  std::unique_ptr<Communicator> group_;
};
INSTANTIATE_TEST_SUITE_P(Ways, DeviceExchange, ::testing::ValuesIn(exchange_ways()),
                         [](const auto& instance) { return instance.param; });

TEST_P(DeviceExchange, DeliversEveryPairOfRegionsWithGapsAgainAndAgain) {
  std::int64_t sent = 0, messages = 0;
  for (int round = 0; round < 3; ++round) {
    KnownExchange known(*group_, round);
    known.exchange();
    group_->finish();
    known.expect_arrived();
    sent += known.bytes();
    messages += known.messages();
  }
  EXPECT_EQ(group_->exchanged_bytes(), sent);
  EXPECT_EQ(group_->exchanged_messages(), messages);
}

TEST_P(DeviceExchange, IsNotDisturbedByTheNextOneWhereARankIsLate) {
  constexpr int rounds = 8;
  std::vector<std::unique_ptr<KnownExchange>> known;
  for (int round = 0; round < rounds; ++round)
    known.push_back(std::make_unique<KnownExchange>(*group_, round));
  for (int round = 0; round < rounds; ++round) {
    if (round % group_->size() == group_->rank())
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    known[static_cast<std::size_t>(round)]->exchange();
  }
  group_->finish();
  for (const auto& each : known) each->expect_arrived();
}

TEST_P(DeviceExchange, SeveralBesideOtherWorkHaveArrivedOnceJoined) {
  constexpr int rounds = 20;  // more than NCCL's communicator lets a device have ahead
  std::int64_t sent = 0, messages = 0;
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::unique_ptr<KnownExchange>> known;
    for (int i = 0; i <= round % 4; ++i) {
      // Its buffers are filled after the exchange before has begun.
      known.push_back(std::make_unique<KnownExchange>(*group_, round + i));
      known.back()->exchange_beside();
      sent += known.back()->bytes();
      messages += known.back()->messages();
    }
    group_->join();
    for (const auto& each : known) each->forget_what_was_sent();
    for (const auto& each : known) each->expect_arrived();
  }
  EXPECT_EQ(group_->exchanged_bytes(), sent);
  EXPECT_EQ(group_->exchanged_messages(), messages);
}

TEST_P(DeviceExchange, APlainOneJoinsThoseBesideAndOthersMayFollow) {
  for (int round = 0; round < 3; ++round) {
    KnownExchange first(*group_, round), second(*group_, round + 1), third(*group_, round + 2);
    first.exchange_beside();
    second.exchange();
    first.forget_what_was_sent();
    second.forget_what_was_sent();
    first.expect_arrived();
    second.expect_arrived();
    third.exchange_beside();
    group_->finish();
    third.forget_what_was_sent();
    third.expect_arrived();
    group_->join();  // of none
  }
}

TEST_P(DeviceExchange, ManyBesideNeedNoJoinBetween) {
  constexpr int rounds = 40;
  std::vector<std::unique_ptr<KnownExchange>> known;
  for (int round = 0; round < rounds; ++round) {
    known.push_back(std::make_unique<KnownExchange>(*group_, round));
    known.back()->exchange_beside();
  }
  group_->join();
  for (const auto& each : known) each->expect_arrived();
}

TEST_P(DeviceExchange, BesideMayHaveItsJoinAtTheEndOfTheGroup) {
  KnownExchange known(*group_, 0);
  known.exchange_beside();
  group_ = nullptr;
}

TEST_P(DeviceExchange, OfAnySizeMayFollowOneOfAnother) {
  int round = 0;
  for (const int scale : {1, 900, 30, 2000, 1}) {
    KnownExchange known(*group_, round++, scale);
    if (scale == 30) group_->make_room(known.plan());
    known.exchange();
    group_->finish();
    known.expect_arrived();
  }
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

}  // namespace
}  // namespace causeway::testing
