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
  Place host{2, 1, 0, 4, "node-two"};
  EXPECT_EQ(placement_table({on_gpu(0, 11), on_gpu(1, 12), host}),
            "rank  host      group  rank in group  threads  device\n"
            "   0  n1            0              0        8  NVIDIA H200, 141.0 GiB, GPU-11\n"
            "   1  n1            0              1        8  NVIDIA H200, 141.0 GiB, GPU-12\n"
            "   2  node-two      1              0        4  cpu\n");
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

TEST(Exchange, IsByNcclWhereEveryRankHasAGpuOfItsOwn) {
  const std::vector<Place> apart{on_gpu(0, 1), on_gpu(1, 2)}, shared{on_gpu(0, 7), on_gpu(1, 7)};
  EXPECT_EQ(choose_exchange(ExchangeKind::automatic, apart, true), ExchangeKind::nccl);
  EXPECT_EQ(choose_exchange(ExchangeKind::automatic, apart, false), ExchangeKind::host);
  EXPECT_EQ(choose_exchange(ExchangeKind::automatic, shared, true), ExchangeKind::host);
  EXPECT_EQ(choose_exchange(ExchangeKind::host, apart, true), ExchangeKind::host);
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

TEST(Exchange, OfTheHostsMemoryNeedsNothing) {
  auto group = process().split(0);
  const auto* before = group.get();
  const auto connected = connect(std::move(group), {}, {}, host_memory());
  EXPECT_EQ(connected.get(), before);
}

}  // namespace
}  // namespace causeway::testing
