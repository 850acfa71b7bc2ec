// Choosing the reader of a prompt list, and the reader of plain text.
#include "batch/prompts.hpp"

#include <algorithm>
#include <cctype>

#include "batch/prompt_fields.hpp"
#include "batch/text_file.hpp"

namespace causeway {
namespace {

/// Ten million long prompts; beyond it the file is hardly a prompt list.
constexpr std::size_t most_list_bytes = std::size_t{16} << 30;

}  // namespace

PromptList read_prompts(const std::filesystem::path& path, const Config& config) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  const std::string text =
      read_text_file(path, "the prompt list", ExitCode::input, most_list_bytes);
  PromptListBuilder list(path.string(), path.parent_path(), config);
  if (extension == ".txt") {
    read_prompts_txt(text, list);
  } else if (extension == ".jsonl") {
    read_prompts_jsonl(text, list);
  } else if (extension == ".csv") {
    read_prompts_csv(text, list);
  } else {
    fail(ExitCode::input,
         "cannot read the prompt list '{}' (its name ends in '{}', which says no known kind); name "
         "it .txt (a "
         "prompt a line), .jsonl (a JSON object a line) or .csv (with a header row)",
         path.string(), extension);
  }
  return list.finish();
}

void read_prompts_txt(std::string_view text, PromptListBuilder& list) {
  for (long line = 1; !text.empty(); ++line) {
    const auto content = trimmed(next_line(text));
    if (content.empty() || !list.check_text(content, line)) continue;
    PromptDraft draft;
    draft.prompt.line = line;
    list.set_field(draft, "prompt", content);
    list.add(std::move(draft));
  }
}

std::vector<PromptRange> prompt_ranges(const Prompt& prompt) {
  std::vector<PromptRange> ranges{{0, prompt.text}};
  ranges.insert(ranges.end(), prompt.switches.begin(), prompt.switches.end());
  return ranges;
}

std::uint64_t hash_of_text(std::string_view text, std::uint64_t start) {
  constexpr std::uint64_t prime = 1099511628211u;
  std::uint64_t hash = start;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * prime;
  return hash;
}

}  // namespace causeway
