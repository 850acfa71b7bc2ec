// Prompt lists in JSON Lines: an object a line.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "batch/prompt_fields.hpp"

namespace causeway {
namespace {

using Json = nlohmann::json;

const char* kind_of(const Json& value) {
  if (value.is_number()) return "a number";
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  if (value.is_boolean()) return "true or false";
  if (value.is_null()) return "null";
  return "a text";
}

/// Parses JSON; complains (and returns a discarded value) if it is none or if an object has a key
/// twice.
Json parse_json(std::string_view text, long line, std::string_view field, PromptListBuilder& list) {
  // One list of keys per open object: JSON libraries keep the last of equal keys without a word.
  std::vector<std::vector<std::string>> open;
  std::string twice;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) {
      open.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      open.pop_back();
    } else if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      auto& keys = open.back();
      if (std::find(keys.begin(), keys.end(), key) != keys.end()) {
        twice = key;
      } else if (keys.size() <
                 16) {  // an object of ours has fewer keys; any other is refused anyway
        keys.push_back(key);
      }
    }
    return true;
  };
  try {
    Json value = Json::parse(text, watch);
    if (twice.empty()) return value;
    list.complain(line, fmt::format("{}key {} is written twice (only one could count); remove one",
                                    field, in_quotes(twice)));
  } catch (const Json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 3: why; last read: …": only
    // why
    std::string_view why = error.what();
    why.remove_prefix(std::min(why.find("] ") + 2, why.size()));
    if (why.starts_with("parse error")) why.remove_prefix(std::min(why.find(": ") + 2, why.size()));
    const auto* parse_error = dynamic_cast<const Json::parse_error*>(&error);
    list.complain(line, fmt::format("{}not valid JSON at byte {}: {}", field,
                                    parse_error == nullptr ? 1 : parse_error->byte,
                                    why.substr(0, why.find("; last read"))));
  }
  return Json(Json::value_t::discarded);
}

void wrong_kind(const Json& value, const PromptDraft& draft, std::string_view field,
                std::string_view wanted, PromptListBuilder& list) {
  list.complain(draft.prompt.line, fmt::format("{}: {} ({} is expected); write {}", field,
                                               kind_of(value), wanted, wanted));
}

/// One entry of `prompts`: a text, or {"prompt": text, "chunks": n}.
std::optional<PromptEntry> read_entry(const Json& value, const PromptDraft& draft,
                                      PromptListBuilder& list) {
  if (value.is_string()) return PromptEntry{value.get<std::string>(), 1};
  constexpr std::string_view wanted = R"(a text or {"prompt": text, "chunks": n})";
  if (!value.is_object()) {
    wrong_kind(value, draft, "prompts", wanted, list);
    return std::nullopt;
  }
  for (const auto& item : value.items()) {
    if (item.key() == "prompt" || item.key() == "chunks") continue;
    list.complain(draft.prompt.line,
                  fmt::format("prompts: unknown key {} in an entry; known are prompt and "
                              "chunks",
                              in_quotes(item.key())));
    return std::nullopt;
  }
  const auto text = value.find("prompt");
  if (text == value.end() || !text->is_string()) {
    list.complain(draft.prompt.line,
                  "prompts: an entry without the text 'prompt'; write "
                  R"({"prompt": text, "chunks": n})");
    return std::nullopt;
  }
  PromptEntry entry{text->get<std::string>(), 1};
  const auto chunks = value.find("chunks");
  if (chunks == value.end()) return entry;
  if (!chunks->is_number_integer() ||
      (!chunks->is_number_unsigned() && chunks->get<std::int64_t>() < 1) ||
      chunks->get<std::uint64_t>() < 1 || chunks->get<std::uint64_t>() > 1000000) {
    list.complain(draft.prompt.line,
                  fmt::format("prompts: chunks: {} (a whole number from 1 to 1000000 is "
                              "expected); nearest valid: 1",
                              in_quotes(chunks->dump())));
    return std::nullopt;
  }
  entry.chunks = chunks->get<std::int64_t>();
  return entry;
}

void read_entries(const Json& value, PromptDraft& draft, PromptListBuilder& list) {
  draft.has_prompts = true;
  if (!value.is_array()) {
    wrong_kind(value, draft, "prompts", "a list of prompts", list);
    return;
  }
  std::vector<PromptEntry> entries;
  for (const auto& item : value) {
    auto entry = read_entry(item, draft, list);
    if (!entry) return;
    entries.push_back(std::move(*entry));
  }
  list.set_prompts(draft, entries);
}

void read_member(const std::string& field, const Json& value, PromptDraft& draft,
                 PromptListBuilder& list) {
  const auto& names = prompt_field_names();
  if (std::find(names.begin(), names.end(), field) == names.end()) {
    list.complain_unknown(draft.prompt.line, "key", field);
  } else if (value.is_null()) {
    return;  // tables exported to JSON write an empty cell so
  } else if (field == "prompts") {
    read_entries(value, draft, list);
  } else if (field == "seed" || field == "frames" || field == "samples") {
    if (value.is_number()) {
      list.set_field(draft, field, value.dump());
    } else {
      wrong_kind(value, draft, field, "a whole number", list);
    }
  } else if (value.is_string()) {
    list.set_field(draft, field, value.get_ref<const std::string&>());
  } else if (field == "id" && value.is_number_unsigned()) {
    list.set_field(draft, field, value.dump());
  } else {
    if (field == "prompt") draft.has_prompt = true;
    wrong_kind(value, draft, field, "a text", list);
  }
}

}  // namespace

void read_prompts_jsonl(std::string_view text, PromptListBuilder& list) {
  for (long line = 1; !text.empty(); ++line) {
    const auto content = next_line(text);
    if (trimmed(content).empty() || !list.check_text(content, line)) continue;
    const Json object = parse_json(content, line, "", list);
    if (object.is_discarded()) continue;
    if (!object.is_object()) {
      list.complain(
          line,
          fmt::format("{} instead of an object (JSON Lines has an object on each line); write "
                      R"({{"prompt": "…"}})",
                      kind_of(object)));
      continue;
    }
    PromptDraft draft;
    draft.prompt.line = line;
    for (const auto& member : object.items())
      read_member(member.key(), member.value(), draft, list);
    list.add(std::move(draft));
  }
}

void read_prompts_cell(std::string_view json, PromptDraft& draft, PromptListBuilder& list) {
  draft.has_prompts = true;
  const Json value = parse_json(json, draft.prompt.line, "prompts: ", list);
  if (!value.is_discarded()) read_entries(value, draft, list);
}

}  // namespace causeway
