// Checking the fields of prompt lists, whatever kind of file they come from.
#include "batch/prompt_fields.hpp"

#include <algorithm>
#include <charconv>

#include "core/nearest_word.hpp"
#include "batch/text_file.hpp"

namespace causeway {
namespace {

constexpr std::size_t longest_id = 100;

bool is_id_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

std::uint64_t hash_of_content(const PromptDraft& draft) {
  // Parts are set apart by NUL bytes, which no text holds.
  using namespace std::string_view_literals;
  const Prompt& prompt = draft.prompt;
  std::uint64_t hash = hash_of_text(prompt.text);
  const auto mix = [&](std::string_view name, std::string_view value) {
    for (const auto part : {"\0"sv, name, "\0"sv, value}) hash = hash_of_text(part, hash);
  };
  for (const auto& range : prompt.switches)
    mix(fmt::format("chunk {}", range.first_chunk), range.text);
  if (prompt.seed) mix("seed", fmt::format("{}", *prompt.seed));
  if (prompt.frames) mix("frames", fmt::format("{}", *prompt.frames));
  if (!draft.video_as_written.empty()) mix("video", draft.video_as_written);
  return hash;
}

}  // namespace

const std::vector<std::string>& prompt_field_names() {
  static const std::vector<std::string> names{"prompt", "prompts", "id",   "seed",
                                              "frames", "samples", "video"};
  return names;
}

void PromptListBuilder::complain(long line, std::string_view text) {
  problems_.add(line, fmt::format("{}:{}: {}", name_, line, text));
}

bool PromptListBuilder::check_text(std::string_view bytes, long line) {
  const auto nul = bytes.find('\0');
  const auto bad = first_invalid_utf8(bytes);
  if (nul == std::string_view::npos && !bad) return true;
  const std::size_t at = std::min(nul, bad.value_or(std::string_view::npos));
  const auto before = bytes.substr(0, at);
  const long at_line = line + std::count(before.begin(), before.end(), '\n');
  const auto start = before.rfind('\n');
  const std::size_t column = start == std::string_view::npos ? at + 1 : at - start;
  if (bad && *bad == at) {
    complain(at_line, fmt::format("byte {} is 0x{:02X} (not valid UTF-8); save the list as UTF-8",
                                  column, static_cast<unsigned char>(bytes[at])));
  } else {
    complain(at_line, fmt::format("byte {} is NUL (no part of a text); remove it", column));
  }
  return false;
}

void PromptListBuilder::complain_unknown(long line, std::string_view what,
                                         const std::string& name) {
  const auto& names = prompt_field_names();
  const auto near = nearest_word(name, names);
  complain(line, fmt::format("{}: unknown {}; {}", in_quotes(name), what,
                             near.empty() ? fmt::format("known are {}", fmt::join(names, ", "))
                                          : "nearest: " + near));
}

bool PromptListBuilder::good_text(const PromptDraft& draft, std::string_view field,
                                  std::string_view text) {
  if (trimmed(text).empty()) {
    complain(draft.prompt.line,
             fmt::format("{}: {} (an empty prompt); write one, or remove the line", field,
                         in_quotes(text)));
    return false;
  }
  if (text.find('\0') == std::string_view::npos) return true;
  complain(draft.prompt.line,
           fmt::format("{}: holds a NUL character (no part of a text); remove it", field));
  return false;
}

std::optional<std::uint64_t> PromptListBuilder::whole_number(const PromptDraft& draft,
                                                             std::string_view field,
                                                             std::string_view text,
                                                             std::uint64_t least,
                                                             std::uint64_t most) {
  std::uint64_t number = 0;
  const bool negative = text.starts_with('-');
  const auto digits = negative ? text.substr(1) : text;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error == std::errc::invalid_argument || end != digits.data() + digits.size()) {
    complain(draft.prompt.line, fmt::format("{}: {} (not a whole number); write one from {} to {}",
                                            field, in_quotes(text), least, most));
    return std::nullopt;
  }
  if (negative && number > 0) number = 0;
  const bool too_large = error == std::errc::result_out_of_range || number > most;
  if (negative || too_large || number < least) {
    complain(draft.prompt.line,
             fmt::format("{}: {} (out of range: from {} to {}); nearest valid: {}", field,
                         text.substr(0, 60), least, most, negative || !too_large ? least : most));
    return std::nullopt;
  }
  return number;
}

void PromptListBuilder::set_id(PromptDraft& draft, std::string_view text) {
  std::string why;
  if (text.size() > longest_id) {
    why = fmt::format("{} characters long", text.size());
  } else if (text.starts_with('.')) {
    why = "starts with '.'";
  } else if (!std::all_of(text.begin(), text.end(), is_id_character)) {
    why = "has other characters than letters, digits, '.', '_' and '-'";
  }
  if (why.empty()) {
    draft.prompt.id = text;
    return;
  }
  std::string safe;
  for (const char c : text.substr(0, longest_id)) {
    if (is_id_character(c)) {
      safe += c;
    } else if (!safe.empty() && safe.back() != '_') {
      safe += '_';
    }
  }
  safe.erase(0, safe.find_first_not_of('.'));
  complain(
      draft.prompt.line,
      fmt::format(
          "id: {} ({}; it names files, so it has letters, digits, '.', '_' and '-', at most {}, "
          "and does not start with '.'){}",
          in_quotes(text), why, longest_id, safe.empty() ? "" : "; nearest valid: " + safe));
}

void PromptListBuilder::set_video(PromptDraft& draft, std::string_view text) {
  namespace fs = std::filesystem;
  const auto path = fs::absolute(folder_ / fs::path(text)).lexically_normal();
  std::error_code error;
  if (text.find('\0') != std::string_view::npos || !fs::is_regular_file(path, error)) {
    complain(draft.prompt.line,
             fmt::format("video: {} (there is no such file: relative paths count from the "
                         "folder of the list); check the path",
                         in_quotes(text)));
    return;
  }
  draft.prompt.video = path.string();
  draft.video_as_written = text;
}

void PromptListBuilder::set_frames(PromptDraft& draft, std::string_view text) {
  const auto number = whole_number(draft, "frames", text, 1, 1000000);
  if (!number) return;
  const int frames = static_cast<int>(*number);
  const auto problem = frame_count_problem(frames, config_.rollout);
  if (problem.empty()) {
    draft.prompt.frames = frames;
  } else {
    complain(draft.prompt.line, fmt::format("frames: {} {}", frames, problem));
  }
}

void PromptListBuilder::set_field(PromptDraft& draft, std::string_view field,
                                  std::string_view text) {
  if (field == "prompt") {
    draft.has_prompt = true;
    if (good_text(draft, field, text)) draft.prompt.text = text;
  } else if (field == "id") {
    set_id(draft, text);
  } else if (field == "seed") {
    draft.prompt.seed = whole_number(draft, field, text, 0, UINT64_MAX);
  } else if (field == "frames") {
    set_frames(draft, text);
  } else if (field == "samples") {
    const auto samples = whole_number(draft, field, text, 1, 1000000);
    if (samples) draft.prompt.samples = static_cast<int>(*samples);
  } else {
    expects(field == "video", "every field has a reader");
    set_video(draft, text);
  }
}

void PromptListBuilder::set_prompts(PromptDraft& draft, const std::vector<PromptEntry>& entries) {
  draft.has_prompts = true;
  if (entries.empty()) {
    complain(draft.prompt.line,
             "prompts: an empty list (a video needs a prompt); write at least one");
    return;
  }
  std::int64_t chunk = 0;
  for (const auto& entry : entries) {
    if (!good_text(draft, "prompts", entry.text)) return;
    if (&entry == &entries.front()) {
      draft.prompt.text = entry.text;
    } else {
      draft.prompt.switches.push_back({static_cast<int>(chunk), entry.text});
    }
    chunk = std::min<std::int64_t>(chunk + entry.chunks, INT32_MAX);
  }
}

void PromptListBuilder::add(PromptDraft draft) {
  Prompt& prompt = draft.prompt;
  if (draft.has_prompt && draft.has_prompts) {
    complain(prompt.line, "prompt and prompts are both given (only one can count); remove one");
  } else if (!draft.has_prompt && !draft.has_prompts) {
    complain(prompt.line, "neither prompt nor prompts is given (a video needs a prompt); add one");
  }
  const int frames = prompt.frames.value_or(config_.video.frames);
  if (!prompt.switches.empty()) {
    const int chunks = chunk_count(frames, config_.rollout);
    const int last = prompt.switches.back().first_chunk;
    if (last >= chunks) {
      complain(prompt.line,
               fmt::format("prompts: the last one starts at chunk {} (counted from 0), but a video "
                           "of {} frames has {} chunk{}; shorten the list or its chunks",
                           last, frames, chunks, chunks == 1 ? "" : "s"));
    }
  }
  prompt.content_hash = hash_of_content(draft);
  prompts_.push_back(std::move(prompt));
}

void PromptListBuilder::complain_duplicates() {
  // Sorting hashes costs 16 bytes a prompt; a set of the ids would cost ten times that.
  std::vector<std::pair<std::uint64_t, std::size_t>> order;
  for (std::size_t i = 0; i < prompts_.size(); ++i) {
    if (!prompts_[i].id.empty()) order.emplace_back(hash_of_text(prompts_[i].id), i);
  }
  std::sort(order.begin(), order.end());
  for (std::size_t start = 0, i = 1; i < order.size(); ++i) {
    if (order[i].first != order[start].first) {
      start = i;
      continue;
    }
    const Prompt& first = prompts_[order[start].second];
    const Prompt& again = prompts_[order[i].second];
    if (first.id != again.id) continue;  // equal hashes of different ids: the plan checks again
    complain(again.line, fmt::format("id: '{}' (line {} has it already); choose another", again.id,
                                     first.line));
  }
}

PromptList PromptListBuilder::finish() {
  complain_duplicates();
  problems_.throw_if_any(ExitCode::input, fmt::format("the prompt list '{}'", name_));
  require(!prompts_.empty(), ExitCode::input,
          "the prompt list '{}' holds no prompts (there is nothing to make); write at least one",
          name_);
  prompts_.shrink_to_fit();
  return {name_, std::move(prompts_)};
}

std::string_view next_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n\v\f";
  const auto start = text.find_first_not_of(blank);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(blank) - start + 1);
}

}  // namespace causeway
