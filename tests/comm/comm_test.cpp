// Communicators under mpiexec: what arrives, what is counted, who agrees.
#include "comm/comm.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "support/mpi_test_main.hpp"

namespace causeway {
namespace {

using testing::process;

/// Rank `from` sends `from + to + 1` bytes to `to`.
std::int64_t length(int from, int to) { return from == to ? 0 : from + to + 1; }

void fill(Exchange& plan, int me, int ranks) {
  std::int64_t send = 0, receive = 0;
  for (int other = 0; other < ranks; ++other) {
    plan.send_bytes.push_back(length(me, other));
    plan.send_offset.push_back(send);
    send += length(me, other);
    plan.receive_bytes.push_back(length(other, me));
    plan.receive_offset.push_back(receive);
    receive += length(other, me);
  }
}

TEST(Communicator, ExchangeDeliversEveryPairAndCountsWhatItSends) {
  auto group = process().split(0);
  const int me = group->rank(), ranks = group->size();
  Exchange plan;
  fill(plan, me, ranks);
  std::string send, receive;
  std::int64_t sent = 0, arrived = 0;
  for (int other = 0; other < ranks; ++other) {
    send += std::string(static_cast<std::size_t>(length(me, other)),
                        static_cast<char>('a' + 16 * me + other));
    sent += length(me, other);
    arrived += length(other, me);
  }
  receive.resize(static_cast<std::size_t>(arrived) + 1, '?');
  group->exchange(plan, send.data(), receive.data());
  std::size_t at = 0;
  for (int other = 0; other < ranks; ++other) {
    for (std::int64_t i = 0; i < length(other, me); ++i) {
      EXPECT_EQ(receive[at++], static_cast<char>('a' + 16 * other + me));
    }
  }
  EXPECT_EQ(receive[at], '?');
  EXPECT_EQ(group->exchanged_bytes(), sent);
  EXPECT_EQ(group->exchanged_messages(), ranks - 1);
}

TEST(Communicator, AnExchangeBesideIsAnExchangeOnTheHost) {
  auto group = process().split(0);
  const int me = group->rank(), ranks = group->size();
  EXPECT_FALSE(group->overlaps(1e12));
  Exchange plan;
  fill(plan, me, ranks);
  std::string send, receive, expected;
  for (int other = 0; other < ranks; ++other) {
    send += std::string(static_cast<std::size_t>(length(me, other)), static_cast<char>('a' + me));
    expected +=
        std::string(static_cast<std::size_t>(length(other, me)), static_cast<char>('a' + other));
  }
  receive.resize(expected.size(), '?');
  group->exchange_beside(plan, send.data(), receive.data());
  EXPECT_EQ(receive, expected);
  group->join();
  EXPECT_EQ(group->exchanged_bytes(), static_cast<std::int64_t>(send.size()));
  EXPECT_EQ(group->exchanged_messages(), ranks - 1);
}

TEST(Communicator, ARankCannotSendToItself) {
  auto group = process().split(0);
  const auto ranks = static_cast<std::size_t>(group->size());
  Exchange plan{std::vector<std::int64_t>(ranks, 1), std::vector<std::int64_t>(ranks, 0),
                std::vector<std::int64_t>(ranks, 1), std::vector<std::int64_t>(ranks, 0)};
  char byte = 0;
  EXPECT_THROW(group->exchange(plan, &byte, &byte), Error);
  EXPECT_THROW(group->exchange_beside(plan, &byte, &byte), Error);
}

TEST(Communicator, TextsOfDifferentLengthAreBroadcastAndGathered) {
  auto& world = process().world();
  const int last = world.size() - 1;
  EXPECT_EQ(
      world.broadcast(world.rank() == last ? std::string("from the last") : std::string(), last),
      "from the last");
  EXPECT_EQ(world.broadcast(std::string(), 0), "");
  const auto texts = world.gather(std::string(static_cast<std::size_t>(world.rank()), 'x'), 0);
  if (world.rank() == 0) {
    ASSERT_EQ(texts.size(), static_cast<std::size_t>(world.size()));
    for (std::size_t r = 0; r < texts.size(); ++r) EXPECT_EQ(texts[r], std::string(r, 'x'));
  } else {
    EXPECT_TRUE(texts.empty());
  }
  const auto everywhere =
      world.all_gather(std::string(static_cast<std::size_t>(2 * (world.rank() % 3)), 'y'));
  ASSERT_EQ(everywhere.size(), static_cast<std::size_t>(world.size()));
  for (std::size_t r = 0; r < everywhere.size(); ++r)
    EXPECT_EQ(everywhere[r], std::string(2 * (r % 3), 'y'));
}

TEST(Communicator, OneRankThatDisagreesIsHeardByAll) {
  auto& world = process().world();
  EXPECT_TRUE(world.all_agree(true));
  EXPECT_FALSE(world.all_agree(world.rank() != world.size() - 1));
  EXPECT_EQ(world.max(world.rank()), world.size() - 1);
}

TEST(Process, SplitsIntoGroupsOrderedByWorldRank) {
  auto& world = process().world();
  const int colour = world.rank() / 2;
  auto group = process().split(colour);
  EXPECT_EQ(group->rank(), world.rank() % 2);
  EXPECT_EQ(group->size(), std::min(2, world.size() - 2 * colour));
  EXPECT_GE(process().ranks_on_node(), 1);
  EXPECT_LT(process().rank_on_node(), process().ranks_on_node());
}

TEST(Mailbox, RequestsReachTheServerAndAnswersComeBack) {
  auto& world = process().world();
  auto& mailbox = process().mailbox();
  mailbox.send(0, Mailbox::Lane::request, "rank " + std::to_string(world.rank()));
  if (world.rank() == 0) {
    for (int i = 0; i < world.size(); ++i) {
      const auto request = mailbox.wait(Mailbox::Lane::request);
      EXPECT_EQ(request.text, "rank " + std::to_string(request.from));
      mailbox.send(request.from, Mailbox::Lane::answer, "welcome " + std::to_string(request.from));
    }
  }
  const auto answer = mailbox.wait(Mailbox::Lane::answer);
  EXPECT_EQ(answer.from, 0);
  EXPECT_EQ(answer.text, "welcome " + std::to_string(world.rank()));
  EXPECT_FALSE(mailbox.poll(Mailbox::Lane::answer).has_value());
  world.barrier();
}

TEST(SoloProcess, BehavesLikeAWorldOfOne) {
  auto solo = make_solo_process();
  EXPECT_EQ(solo->world().size(), 1);
  solo->mailbox().send(0, Mailbox::Lane::request, "hello");
  EXPECT_FALSE(solo->mailbox().poll(Mailbox::Lane::answer).has_value());
  EXPECT_EQ(solo->mailbox().wait(Mailbox::Lane::request).text, "hello");
  const auto texts = solo->world().gather(std::string("abc"), 0);
  ASSERT_EQ(texts.size(), 1u);
  EXPECT_EQ(texts[0], "abc");
}

}  // namespace
}  // namespace causeway
