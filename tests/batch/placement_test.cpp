// Which rank works where, as a person reads it, and the way that GPUs exchange by.
#include "batch/placement.hpp"

#include <gtest/gtest.h>

#include "support/mpi_test_main.hpp"
#include "tensor/tensor.hpp"

namespace causeway::testing {
namespace {

Place on_gpu(int rank, int number) {
  Place place{rank, rank / 2, rank % 2, 8, rank < 2 ? "n1" : "node-two"};
  place.device = "NVIDIA H200";
  place.device_id = "GPU-" + std::to_string(number);
  place.device_bytes = std::int64_t{141} << 30;
  place.device_free = std::int64_t{140} << 30;
  return place;
}

TEST(Placement, IsALineForEveryRank) {
  Place host{2, 1, 0, 4, "node-two"}, second = on_gpu(1, 12);
  second.numa_node = 1;
  EXPECT_EQ(
      placement_table({on_gpu(0, 11), second, host}),
      "rank  host      group  rank in group  threads  device\n"
      "   0  n1            0              0        8  NVIDIA H200, 141.0 GiB, GPU-11\n"
      "   1  n1            0              1        8  NVIDIA H200, 141.0 GiB, GPU-12, NUMA node 1\n"
      "   2  node-two      1              0        4  cpu\n");
}

TEST(Placement, RanksNearTheSameProcessorsShareThem) {
  std::vector<Place> places;
  for (int rank = 0; rank < 8; ++rank) {
    places.push_back(on_gpu(rank % 2, rank));  // all on host n1
    places.back().numa_node = rank < 6 ? 0 : 1;
  }
  EXPECT_EQ(fair_share(64, places, places[0]), 10);
  EXPECT_EQ(fair_share(64, places, places[7]), 32);
  EXPECT_EQ(fair_share(3, places, places[0]), 1);
  places[6].host = "elsewhere";
  EXPECT_EQ(fair_share(64, places, places[7]), 64);
}

TEST(Placement, OfEveryRankIsKnownToAll) {
  auto& world = process().world();
  const auto places = gather_places(world, on_gpu(world.rank(), 100 + world.rank()));
  ASSERT_EQ(places.size(), static_cast<std::size_t>(world.size()));
  for (int rank = 0; rank < world.size(); ++rank) {
    const Place &got = places[static_cast<std::size_t>(rank)], sent = on_gpu(rank, 100 + rank);
    EXPECT_EQ(got.rank, rank);
    EXPECT_EQ(got.group, sent.group);
    EXPECT_EQ(got.rank_in_group, sent.rank_in_group);
    EXPECT_EQ(got.threads, sent.threads);
    EXPECT_EQ(got.host, sent.host);
    EXPECT_EQ(got.device, sent.device);
    EXPECT_EQ(got.device_id, sent.device_id);
    EXPECT_EQ(got.device_bytes, sent.device_bytes);
    EXPECT_EQ(got.device_free, sent.device_free);
  }
}

TEST(Exchange, IsByNcclWhereEveryRankHasAGpuOfItsOwnElseByPeerCopiesWithinAMachine) {
  const std::vector<Place> apart{on_gpu(0, 1), on_gpu(1, 2)}, shared{on_gpu(0, 7), on_gpu(1, 7)},
      nodes{on_gpu(1, 2), on_gpu(2, 3)}, mixed{on_gpu(0, 7), on_gpu(1, 7), on_gpu(2, 3)};
  const auto automatic = ExchangeKind::automatic;
  EXPECT_EQ(choose_exchange(automatic, apart, true), ExchangeKind::nccl);
  EXPECT_EQ(choose_exchange(automatic, nodes, true), ExchangeKind::nccl);
  EXPECT_EQ(choose_exchange(automatic, apart, false), ExchangeKind::peer);
  EXPECT_EQ(choose_exchange(automatic, shared, true), ExchangeKind::peer);
  EXPECT_EQ(choose_exchange(automatic, nodes, false), ExchangeKind::host);
  EXPECT_EQ(choose_exchange(automatic, mixed, true), ExchangeKind::host);
  EXPECT_EQ(choose_exchange(ExchangeKind::host, apart, true), ExchangeKind::host);
  EXPECT_EQ(choose_exchange(ExchangeKind::peer, apart, true), ExchangeKind::peer);
  EXPECT_EQ(choose_exchange(ExchangeKind::peer, shared, false), ExchangeKind::peer);
  try {
    choose_exchange(ExchangeKind::peer, mixed, true);
    ADD_FAILURE() << "peer copies do not leave a machine";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::device);
    EXPECT_NE(std::string(error.what()).find("ranks 0 and 2 of a job group are on n1 and node-two"),
              std::string::npos)
        << error.what();
  }
  // Asked for by name it is never replaced: without NCCL the making of the communicator says why.
  EXPECT_EQ(choose_exchange(ExchangeKind::nccl, apart, false), ExchangeKind::nccl);
  try {
    choose_exchange(ExchangeKind::nccl, shared, true);
    ADD_FAILURE() << "NCCL refuses ranks that share a GPU";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::device);
    EXPECT_NE(std::string(error.what()).find("ranks 0 and 1 of a job group share NVIDIA H200"),
              std::string::npos)
        << error.what();
  }
}

TEST(Exchange, IsByPeerCopiesOnlyBetweenSeveralRanksWithGpus) {
  const std::vector<Place> shared{on_gpu(0, 7), on_gpu(1, 7)};
  ParallelConfig config;
  EXPECT_FALSE(by_peer_copies(config, shared)) << "the CPU computes";
  config.device = DeviceKind::cuda;
  EXPECT_TRUE(by_peer_copies(config, shared));
  EXPECT_FALSE(by_peer_copies(config, {on_gpu(0, 7)}));
  config.exchange = ExchangeKind::host;
  EXPECT_FALSE(by_peer_copies(config, shared));
}

TEST(Exchange, OfTheHostsMemoryNeedsNothing) {
  auto group = process().split(0);
  const auto* before = group.get();
  const auto connected = connect(std::move(group), {}, {}, host_memory());
  EXPECT_EQ(connected.get(), before);
}

}  // namespace
}  // namespace causeway::testing
