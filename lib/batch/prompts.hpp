// Prompt lists: .txt (a prompt a line), .jsonl and .csv, read and checked whole.
//
// Fields of a .jsonl object and columns of a .csv file (whose first row names them):
//   prompt   the text; or instead of it
//   prompts  a list, one entry after another in time: texts, or {"prompt": text, "chunks": n}. An
//   entry
//            lasts n chunks (1 if it does not say), the last one to the end of the video. In a .csv
//            cell the list is written as JSON.
//   id       file name of the sample: letters, digits, '.', '_', '-', at most 100, not starting
//   with '.' seed     0 … 2^64 − 1 frames   of the whole video, as video.frames samples  how many
//   videos, as samples_per_prompt video    an MP4 or image that the video goes on from; relative to
//   the list's folder
// In a .txt every line that is not blank is a prompt, without the white space around it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "batch/config.hpp"

namespace causeway {

/// From chunk `first_chunk` on (counted from the first chunk that is generated) the prompt is
/// `text`.
struct PromptRange {
  int first_chunk = 0;
  std::string text;
  bool operator==(const PromptRange&) const = default;
};

/// One line (or object, or row) of a prompt list.
struct Prompt {
  std::string text;                   ///< from the first chunk on
  std::vector<PromptRange> switches;  ///< later prompts, by ascending first_chunk > 0; usually none
  std::string id;                     ///< empty: follows from the content
  std::optional<std::uint64_t> seed;
  std::optional<int> frames;
  std::optional<int> samples;
  std::string video;  ///< absolute path of the video or image to go on from; empty: none
  /// Hash of what the line asks for (texts, seed, frames, video as written; not id and samples),
  /// which stays the same wherever the line stands. For a line with nothing but a prompt:
  /// `hash_of_text(text)`.
  std::uint64_t content_hash = 0;
  long line = 0;  ///< from 1; where it starts
};

struct PromptList {
  std::string name;  ///< the path as given, for messages
  std::vector<Prompt> prompts;
};

/// Reads a list; `config` says which frame counts are possible and how many chunks a video has.
/// Throws one Error(input) with all problems, a line each ("FILE:LINE: …"), or with the reason why
/// the file cannot be read at all. A prompt beyond the text encoder's length is no error here.
PromptList read_prompts(const std::filesystem::path& path, const Config& config);

/// All texts of a prompt in order; the first starts at chunk 0.
std::vector<PromptRange> prompt_ranges(const Prompt& prompt);

/// FNV-1a, 64 bit (Fowler, Noll, Vo; offset 14695981039346656037, prime 1099511628211).
std::uint64_t hash_of_text(std::string_view text, std::uint64_t start = 14695981039346656037u);

}  // namespace causeway
