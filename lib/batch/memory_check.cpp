// Whether GPUs have room for what a run will hold on them.
#include "batch/memory_check.hpp"

#include <algorithm>
#include <map>

#include "batch/shared_parts.hpp"

namespace causeway {
namespace {

/// What is not in the plan: workspaces of cuBLASLt and cuDNN (at most 0.55 GiB on each of two
/// streams), attention in parts of its keys, the memory with which algorithms are tried (0.5 GiB
/// for the largest convolutions), code that is loaded at its first use, NCCL's channels, rounding
/// to pages.
constexpr std::int64_t reserve_per_rank = std::int64_t{3} << 30;

constexpr auto visit_parts = [](auto& plan, auto&& visit) {
  visit("weights", plan.weights);
  visit("kv_cache", plan.kv_cache);
  visit("contexts", plan.contexts);
  visit("buffers", plan.buffers);
  visit("vae_cache", plan.vae_cache);
  visit("window", plan.window);
  visit("total", plan.total);
};

MemoryPlan& operator+=(MemoryPlan& sum, const MemoryPlan& other) {
  std::vector<std::int64_t> values;
  visit_parts(other, [&](const char*, std::int64_t value) { values.push_back(value); });
  auto next = values.begin();
  visit_parts(sum, [&](const char*, std::int64_t& value) { value += *next++; });
  return sum;
}

}  // namespace

std::vector<MemoryPlan> gather_plans(Communicator& world, const MemoryPlan& own) {
  return share_parts(world, own, visit_parts);
}

std::string plan_text(const MemoryPlan& plan) {
  const std::int64_t passing = plan.total - plan.weights - plan.kv_cache - plan.contexts -
                               plan.buffers - plan.vae_cache - plan.window;
  return fmt::format(
      "{}: weights {}, KV cache {}, prompts {}, chunk {}, VAE cache {}, exchanges {}, passing {}",
      gibibytes(plan.total), gibibytes(plan.weights), gibibytes(plan.kv_cache),
      gibibytes(plan.contexts), gibibytes(plan.buffers), gibibytes(plan.vae_cache),
      gibibytes(plan.window), gibibytes(passing));
}

std::string memory_problem(const std::vector<Place>& places, const std::vector<MemoryPlan>& plans) {
  expects(places.size() == plans.size(), "a plan for every place");
  std::map<std::string, std::vector<std::size_t>> ranks_of_gpu;
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    if (!places[rank].device_id.empty()) ranks_of_gpu[places[rank].device_id].push_back(rank);
  }
  for (const auto& [gpu, ranks] : ranks_of_gpu) {
    MemoryPlan needed;
    std::vector<int> names;
    const Place& place = places[ranks.front()];
    std::int64_t room = place.device_free;
    for (const std::size_t rank : ranks) {
      needed += plans[rank];
      names.push_back(places[rank].rank);
      room = std::min(room, places[rank].device_free);
    }
    const std::int64_t reserve = static_cast<std::int64_t>(ranks.size()) * reserve_per_rank;
    if (needed.total + reserve <= room) continue;
    const bool one = names.size() == 1;
    return fmt::format(
        "out of GPU memory before the start: {} {} on {} would hold {}, and {} for libraries; {} "
        "of {}'s {} are free; use a smaller video, a shorter window (rollout.window_frames) or "
        "more ranks per job group (parallel.group_size){}",
        one ? "rank" : "ranks", fmt::join(names, ", "), place.host, plan_text(needed),
        gibibytes(reserve), gibibytes(room), place.device, gibibytes(place.device_bytes),
        one ? "" : ", or fewer ranks on a GPU");
  }
  return "";
}

TextWeights choose_text_weights(TextWeightsKind asked, const std::vector<Place>& places,
                                const std::vector<MemoryPlan>& resident) {
  const bool stay =
      asked == TextWeightsKind::resident ||
      (asked == TextWeightsKind::automatic && memory_problem(places, resident).empty());
  return stay ? TextWeights::resident : TextWeights::streamed;
}

}  // namespace causeway
