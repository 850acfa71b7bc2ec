// The samples of a batch: every video that is to be made, each with an id that never changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "batch/prompts.hpp"

namespace causeway {

/// One video to make.
struct Sample {
  /// The line's id, or the content hash of the line as 16 hexadecimal digits; the second, third …
  /// line of equal content has "-2", "-3" … behind it, the second, third … sample of a line "-s1",
  /// "-s2" …. So ids do not change when lines are moved, inserted or taken away (save equal ones),
  /// or when more samples of a line are asked for.
  std::string id;
  std::size_t index = 0;   ///< in the order of the list, from 0
  std::size_t prompt = 0;  ///< of the plan's prompts
  std::uint64_t seed = 0;  ///< key of the noise, with noise_sample
  /// Without a seed on the line: hash_of_text(id), so that samples differ. With one: the number of
  /// the sample of its line, so that (prompt, seed) makes the same video in every list.
  std::uint64_t noise_sample = 0;
  int frames = 0;  ///< of the whole video
  int copy = 0;    ///< number among the samples of its line, from 0
};

/// All samples of a batch, and the prompts they are made from.
struct SamplePlan {
  std::string list_name;
  std::vector<Prompt> prompts;
  std::vector<Sample> samples;

  const Prompt& prompt_of(const Sample& sample) const { return prompts[sample.prompt]; }
};

/// Throws Error(input) if two samples would have one id, naming the lines.
SamplePlan make_sample_plan(PromptList list, const Config& config);

/// Path of a sample's files below the output folder, without extension: "0002/ID", where the
/// folder's number is index / files_per_folder.
std::string sample_stem(const Sample& sample, int files_per_folder);

/// Indices of the samples, those with the most frames first, equal ones in the order of the list.
std::vector<std::size_t> longest_first(const SamplePlan& plan);

}  // namespace causeway
