// Prompt lists in CSV (RFC 4180): a header row that names the columns, then a row per prompt.
#include <algorithm>

#include "batch/prompt_fields.hpp"

namespace causeway {
namespace {

/// Cuts rows off CSV text. Fields in quotes may hold commas, line ends and doubled quotes.
class CsvRows {
 public:
  explicit CsvRows(std::string_view text) : text_(text) {}

  /// The next row that is not blank; false at the end. After it `line()`, `raw()` and `problem()`
  /// tell of it.
  bool next(std::vector<std::string>& fields) {
    do {
      if (at_ >= text_.size()) return false;
      read_row(fields);
    } while (problem_.empty() && trimmed(raw_).empty());
    return true;
  }

  long line() const { return line_; }                      ///< where the row starts, from 1
  std::string_view raw() const { return raw_; }            ///< its bytes
  const std::string& problem() const { return problem_; }  ///< why it is no CSV; empty: it is
  long problem_line() const { return problem_line_; }

 private:
  bool at_line_end() const {
    return at_ >= text_.size() || text_[at_] == '\n' || text_.substr(at_).starts_with("\r\n");
  }

  void read_row(std::vector<std::string>& fields) {
    fields.clear();
    problem_.clear();
    line_ = next_line_;
    row_start_ = at_;
    do {
      fields.emplace_back();
      if (at_ < text_.size() && text_[at_] == '"') {
        quoted_field(fields.back());
      } else {
        plain_field(fields.back());
      }
    } while (problem_.empty() && take_comma());
    // After a problem the rest of the line says nothing; the next line may be sound again.
    at_ = std::min(text_.find('\n', at_), text_.size());
    raw_ = text_.substr(row_start_, at_ - row_start_);
    if (at_ < text_.size()) ++at_;
    next_line_ = line_ + std::count(raw_.begin(), raw_.end(), '\n') + 1;
  }

  bool take_comma() {
    if (at_ >= text_.size() || text_[at_] != ',') return false;
    ++at_;
    return true;
  }

  void plain_field(std::string& field) {
    const std::size_t start = at_;
    while (!at_line_end() && text_[at_] != ',' && text_[at_] != '"') ++at_;
    field = text_.substr(start, at_ - start);
    if (!at_line_end() && text_[at_] == '"') {
      stop(
          start,
          "a quote inside a field that does not start with one; put the field in quotes and double "
          "the quotes in it");
    }
  }

  void quoted_field(std::string& field) {
    const std::size_t start = at_++;
    while (true) {
      const auto quote = text_.find('"', at_);
      if (quote == std::string_view::npos) {
        stop(start, "a quote is opened and never closed; add the closing one");
        at_ = text_.size();
        return;
      }
      field += text_.substr(at_, quote - at_);
      at_ = quote + 1;
      if (at_ >= text_.size() || text_[at_] != '"') break;
      field += '"';
      ++at_;
    }
    if (!at_line_end() && text_[at_] != ',') {
      stop(start,
           "text after the closing quote of a field; double the quotes that belong to the field");
    }
  }

  /// Remembers what is wrong with the field that starts at `start`.
  void stop(std::size_t start, std::string why) {
    const auto before = text_.substr(0, start);
    problem_line_ =
        line_ + std::count(before.begin() + static_cast<long>(row_start_), before.end(), '\n');
    problem_ = std::move(why);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t row_start_ = 0;
  long line_ = 1;
  long next_line_ = 1;
  std::string_view raw_;
  std::string problem_;
  long problem_line_ = 1;
};

/// The columns by name; complains and returns nothing if one is unknown or stands twice.
std::vector<std::string> read_header(const std::vector<std::string>& fields, long line,
                                     PromptListBuilder& list) {
  const auto& names = prompt_field_names();
  std::vector<std::string> columns;
  bool sound = true;
  for (const auto& field : fields) {
    std::string name(trimmed(field));
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      sound = false;
      if (fields.size() == 1 && name.find_first_of(";\t") != std::string::npos) {
        list.complain(
            line, fmt::format("{}: one column (columns are set apart by commas here, not by ';' or "
                              "tabs); export the table with commas",
                              in_quotes(name)));
      } else {
        list.complain_unknown(line, "column", name);
      }
    } else if (std::find(columns.begin(), columns.end(), name) != columns.end()) {
      sound = false;
      list.complain(
          line,
          fmt::format("'{}': a column of that name comes twice (only one could count); remove "
                      "one",
                      name));
    }
    columns.push_back(std::move(name));
  }
  if (sound && std::find(columns.begin(), columns.end(), "prompt") == columns.end() &&
      std::find(columns.begin(), columns.end(), "prompts") == columns.end()) {
    sound = false;
    list.complain(line,
                  "no column 'prompt' or 'prompts' (the first row names the columns); add one");
  }
  return sound ? columns : std::vector<std::string>{};
}

void read_row(const std::vector<std::string>& columns, const std::vector<std::string>& fields,
              long line, PromptListBuilder& list) {
  PromptDraft draft;
  draft.prompt.line = line;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto content = trimmed(fields[i]);
    if (content.empty()) continue;  // an empty cell says nothing
    if (columns[i] == "prompts") {
      read_prompts_cell(content, draft, list);
    } else {
      list.set_field(draft, columns[i],
                     columns[i] == "prompt" ? std::string_view(fields[i]) : content);
    }
  }
  list.add(std::move(draft));
}

}  // namespace

void read_prompts_csv(std::string_view text, PromptListBuilder& list) {
  CsvRows rows(text);
  std::vector<std::string> columns, fields;
  while (rows.next(fields)) {
    if (!list.check_text(rows.raw(), rows.line())) {
      if (columns.empty()) return;
      continue;
    }
    if (!rows.problem().empty()) {
      list.complain(rows.problem_line(), rows.problem());
      if (columns.empty()) return;
      continue;
    }
    if (columns.empty()) {
      columns = read_header(fields, rows.line(), list);
      if (columns.empty()) return;  // without columns the rows mean nothing
    } else if (fields.size() != columns.size()) {
      list.complain(rows.line(),
                    fmt::format("{} field{} where the header row has {}; put a field that holds "
                                "commas in quotes",
                                fields.size(), fields.size() == 1 ? "" : "s", columns.size()));
    } else {
      read_row(columns, fields, rows.line(), list);
    }
  }
}

}  // namespace causeway
