// From prompts to samples.
#include "batch/sample_plan.hpp"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "batch/problems.hpp"

namespace causeway {
namespace {

/// Explicit ids differ already; an explicit one may still equal one that was made.
void check_unique(const SamplePlan& plan) {
  std::vector<std::pair<std::uint64_t, std::size_t>> order;
  order.reserve(plan.samples.size());
  for (const auto& sample : plan.samples) order.emplace_back(hash_of_text(sample.id), sample.index);
  std::sort(order.begin(), order.end());
  Problems problems;
  for (std::size_t i = 1; i < order.size(); ++i) {
    // All earlier samples of the same hash, of which there is hardly ever one.
    for (std::size_t j = i; j > 0 && order[j - 1].first == order[i].first; --j) {
      const Sample& first = plan.samples[order[j - 1].second];
      const Sample& again = plan.samples[order[i].second];
      if (first.id != again.id) continue;
      const long line = plan.prompt_of(again).line;
      problems.add(
          line,
          fmt::format("{}:{}: id: '{}' (a sample of line {} has it already); choose another id",
                      plan.list_name, line, again.id, plan.prompt_of(first).line));
      break;
    }
  }
  problems.throw_if_any(ExitCode::input, fmt::format("the prompt list '{}'", plan.list_name));
}

}  // namespace

SamplePlan make_sample_plan(PromptList list, const Config& config) {
  SamplePlan plan{std::move(list.name), std::move(list.prompts), {}};
  plan.samples.reserve(plan.prompts.size());
  std::unordered_map<std::uint64_t, int> occurrences;
  for (std::size_t p = 0; p < plan.prompts.size(); ++p) {
    const Prompt& prompt = plan.prompts[p];
    std::string id = prompt.id;
    if (id.empty()) {
      const int occurrence = ++occurrences[prompt.content_hash];
      id = fmt::format("{:016x}", prompt.content_hash);
      if (occurrence > 1) id += fmt::format("-{}", occurrence);
    }
    const int copies = prompt.samples.value_or(config.samples_per_prompt);
    for (int copy = 0; copy < copies; ++copy) {
      Sample sample;
      sample.id = copy == 0 ? id : fmt::format("{}-s{}", id, copy);
      sample.index = plan.samples.size();
      sample.prompt = p;
      sample.seed = prompt.seed.value_or(config.seed);
      sample.noise_sample =
          prompt.seed ? static_cast<std::uint64_t>(copy) : hash_of_text(sample.id);
      sample.frames = prompt.frames.value_or(config.video.frames);
      sample.copy = copy;
      plan.samples.push_back(std::move(sample));
    }
  }
  check_unique(plan);
  return plan;
}

std::string sample_stem(const Sample& sample, int files_per_folder) {
  expects(files_per_folder >= 1, "a folder holds a file or more");
  return fmt::format("{:04}/{}", sample.index / static_cast<std::size_t>(files_per_folder),
                     sample.id);
}

std::vector<std::size_t> longest_first(const SamplePlan& plan) {
  std::vector<std::size_t> order(plan.samples.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return plan.samples[a].frames > plan.samples[b].frames;
  });
  return order;
}

}  // namespace causeway
