// Which rank works where, and how the devices of a job group reach each other.
#include "batch/placement.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <optional>
#include <utility>

#include "batch/shared_parts.hpp"
#include "comm/device_comm.hpp"
#include "tensor/tensor.hpp"

namespace causeway {
namespace {

constexpr auto visit_parts = [](auto& place, auto&& visit) {
  visit("rank", place.rank);
  visit("group", place.group);
  visit("rank_in_group", place.rank_in_group);
  visit("threads", place.threads);
  visit("host", place.host);
  visit("device", place.device);
  visit("device_id", place.device_id);
  visit("numa_node", place.numa_node);
  visit("device_bytes", place.device_bytes);
  visit("device_free", place.device_free);
};

std::string device_text(const Place& place) {
  if (place.device_id.empty()) return place.device;
  return fmt::format("{}, {}, {}{}", place.device, gibibytes(place.device_bytes), place.device_id,
                     place.numa_node < 0 ? "" : fmt::format(", NUMA node {}", place.numa_node));
}

/// Two ranks, the first such pair, of whom `related` holds in one thing.
std::optional<std::pair<const Place*, const Place*>> find_pair(
    const std::vector<Place>& group, std::string Place::*thing,
    const std::function<bool(const std::string&, const std::string&)>& related) {
  for (std::size_t i = 0; i < group.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (related(group[j].*thing, group[i].*thing)) return std::pair(&group[j], &group[i]);
    }
  }
  return std::nullopt;
}

}  // namespace

std::string gibibytes(std::int64_t bytes) {
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1024.0 * 1024.0 * 1024.0));
}

std::vector<Place> gather_places(Communicator& world, const Place& own) {
  return share_parts(world, own, visit_parts);
}

int fair_share(int processors, const std::vector<Place>& places, const Place& own) {
  const auto sharers = std::count_if(places.begin(), places.end(), [&](const Place& place) {
    return place.host == own.host && place.numa_node == own.numa_node;
  });
  return std::max(1, processors / std::max(1, static_cast<int>(sharers)));
}

std::string placement_table(const std::vector<Place>& places) {
  std::size_t width = 4;
  for (const Place& place : places) width = std::max(width, place.host.size());
  std::string table =
      fmt::format("rank  {:{}}  group  rank in group  threads  device\n", "host", width);
  for (const Place& place : places) {
    table += fmt::format("{:4}  {:{}}  {:5}  {:13}  {:7}  {}\n", place.rank, place.host, width,
                         place.group, place.rank_in_group, place.threads, device_text(place));
  }
  return table;
}

void print_placement(const std::vector<Place>& places) {
  fmt::print("{}", placement_table(places));
  std::fflush(stdout);
}

ExchangeKind choose_exchange(ExchangeKind asked, const std::vector<Place>& group, bool have_nccl) {
  if (asked == ExchangeKind::host) return asked;
  const auto sharing = find_pair(group, &Place::device_id, std::equal_to<>());
  const auto apart = find_pair(group, &Place::host, std::not_equal_to<>());
  if (asked == ExchangeKind::nccl && sharing) {
    const Place& place = *sharing->first;
    fail(ExitCode::device,
         "parallel.exchange is nccl, but ranks {} and {} of a job group share {} on {} (NCCL wants "
         "a GPU for every rank); start as many ranks on a node as it has GPUs, or use exchange: "
         "peer",
         place.rank, sharing->second->rank, device_text(place), place.host);
  }
  if (asked == ExchangeKind::peer && apart) {
    fail(ExitCode::device,
         "parallel.exchange is peer, but ranks {} and {} of a job group are on {} and {} (peer "
         "copies stay on one machine); use exchange: auto, or a parallel.group_size that fits on a "
         "node",
         apart->first->rank, apart->second->rank, apart->first->host, apart->second->host);
  }
  if (asked != ExchangeKind::automatic) return asked;
  if (have_nccl && !sharing) return ExchangeKind::nccl;
  return apart ? ExchangeKind::host : ExchangeKind::peer;
}

bool by_peer_copies(const ParallelConfig& config, const std::vector<Place>& group) {
  return config.device == DeviceKind::cuda && group.size() > 1 &&
         choose_exchange(config.exchange, group, have_nccl()) == ExchangeKind::peer;
}

std::unique_ptr<Communicator> connect(std::unique_ptr<Communicator> host,
                                      const ParallelConfig& config,
                                      const std::vector<Place>& places, Memory& memory) {
  if (host->size() == 1 || memory.is_host()) return host;
  switch (choose_exchange(config.exchange, places, have_nccl())) {
    case ExchangeKind::nccl:
      return make_nccl_communicator(std::move(host), memory, config.patience);
    case ExchangeKind::peer:
      return make_peer_communicator(std::move(host), memory);
    default:
      return make_staged_communicator(std::move(host), memory);
  }
}

}  // namespace causeway
