// What the readers of prompt lists share: a builder of lists, with the checks of single fields.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "batch/problems.hpp"
#include "batch/prompts.hpp"

namespace causeway {

/// The names of all fields, in the order in which messages list them.
const std::vector<std::string>& prompt_field_names();

/// One line of a list while its fields are being set.
struct PromptDraft {
  Prompt prompt;
  bool has_prompt = false;
  bool has_prompts = false;
  std::string video_as_written;
};

/// One entry of the field `prompts`.
struct PromptEntry {
  std::string text;
  std::int64_t chunks = 1;
};

/// Builds the list line by line and collects what is wrong.
class PromptListBuilder {
 public:
  PromptListBuilder(std::string name, std::filesystem::path folder, const Config& config)
      : name_(std::move(name)), folder_(std::move(folder)), config_(config) {}

  /// Adds "FILE:LINE: text" to the problems.
  void complain(long line, std::string_view text);

  /// False after complaining if `bytes`, which start on `line`, are not UTF-8 or hold a NUL byte.
  bool check_text(std::string_view bytes, long line);

  /// Complains about a name that is no field; `what` is "key" or "column".
  void complain_unknown(long line, std::string_view what, const std::string& name);

  /// Sets a field (one of the names, save "prompts") from its text, or complains.
  void set_field(PromptDraft& draft, std::string_view field, std::string_view text);

  /// Sets the field "prompts".
  void set_prompts(PromptDraft& draft, const std::vector<PromptEntry>& entries);

  /// Takes a line whose fields are all set: checks that it has exactly one of prompt and prompts,
  /// and that every prompt is used in the video.
  void add(PromptDraft draft);

  /// The list; throws Error(input) if there were problems, or no prompts.
  PromptList finish();

 private:
  void set_id(PromptDraft& draft, std::string_view text);
  void set_video(PromptDraft& draft, std::string_view text);
  void set_frames(PromptDraft& draft, std::string_view text);
  std::optional<std::uint64_t> whole_number(const PromptDraft& draft, std::string_view field,
                                            std::string_view text, std::uint64_t least,
                                            std::uint64_t most);
  bool good_text(const PromptDraft& draft, std::string_view field, std::string_view text);
  void complain_duplicates();

  std::string name_;
  std::filesystem::path folder_;
  const Config& config_;
  Problems problems_;
  std::vector<Prompt> prompts_;
};

/// The readers of the three kinds; `text` is the file without byte-order mark.
void read_prompts_txt(std::string_view text, PromptListBuilder& list);
void read_prompts_jsonl(std::string_view text, PromptListBuilder& list);
void read_prompts_csv(std::string_view text, PromptListBuilder& list);

/// The field "prompts" from the JSON text of a .csv cell.
void read_prompts_cell(std::string_view json, PromptDraft& draft, PromptListBuilder& list);

/// Cuts the next line off `rest`, without its LF or CRLF.
std::string_view next_line(std::string_view& rest);

/// `text` without the spaces, tabs and line ends around it.
std::string_view trimmed(std::string_view text);

}  // namespace causeway
