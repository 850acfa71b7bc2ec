// Which rank works where, and how the devices of a job group reach each other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "batch/config.hpp"
#include "comm/comm.hpp"

namespace causeway {

/// Where one rank works.
struct Place {
  int rank = 0, group = 0, rank_in_group = 0, threads = 1;
  std::string host;
  std::string device = "cpu";     ///< or the GPU's name
  std::string device_id{};        ///< of a GPU, its like nowhere else; empty: the host's processor
  int numa_node = -1;             ///< that GPU hangs on; −1: not known
  std::int64_t device_bytes = 0;  ///< memory of that GPU
  std::int64_t device_free = 0;   ///< of it, before a model is loaded
};

/// "41.2 GiB"
std::string gibibytes(std::int64_t bytes);

/// The places of all ranks, at all ranks; collective over `world`.
std::vector<Place> gather_places(Communicator& world, const Place& own);

/// Of `processors` near a GPU: the share of a rank there, as many ranks of `places` as work on the
/// same host and NUMA node having one each; at least 1.
int fair_share(int processors, const std::vector<Place>& places, const Place& own);

/// A heading and a line per rank.
std::string placement_table(const std::vector<Place>& places);
/// To standard output, at once: it is wanted most where the run ends badly.
void print_placement(const std::vector<Place>& places);

/// How the ranks of a job group exchange; never `automatic`. Where GPUs were not told otherwise
/// they use NCCL if this build has it and no two ranks of the group share a GPU, which NCCL
/// refuses; else peer copies if the group is on one machine; else the host. Throws Error(device)
/// where NCCL was asked for and ranks share a GPU, or peer copies and they are not on one machine.
ExchangeKind choose_exchange(ExchangeKind asked, const std::vector<Place>& group, bool have_nccl);

/// Whether the GPUs of these ranks of one job group do so by peer copies.
bool by_peer_copies(const ParallelConfig& config, const std::vector<Place>& group);

/// The communicator of a job group, which exchanges `memory`, made from the one that exchanges the
/// host's; `places` are those of its ranks. Collective over the group: all succeed, or all throw.
std::unique_ptr<Communicator> connect(std::unique_ptr<Communicator> host,
                                      const ParallelConfig& config,
                                      const std::vector<Place>& places, Memory& memory);

}  // namespace causeway
