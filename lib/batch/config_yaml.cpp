// Turning yaml-cpp's nodes into ConfigValues, and its errors into ours.
#include "batch/config_yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <functional>
#include <sstream>

#include "batch/text_file.hpp"

namespace causeway {
namespace {

/// A configuration is at most this deep (section, key, option of the codec); what lies below is cut
/// off, so that aliases that contain themselves do no harm.
constexpr int deepest = 5;
/// Aliases can make a short file mean billions of values; a configuration has some dozens.
constexpr int most_values = 100000;

class Converter {
 public:
  /// `place_of` turns a line (from 1) into what messages say.
  Converter(std::function<std::string(long)> place_of, Problems& problems)
      : place_of_(std::move(place_of)), problems_(problems) {}

  ConfigValue convert(const YAML::Node& node, long line_if_unknown, int depth = 0) {
    ConfigValue value = start(node, line_if_unknown);
    if (++values_ > most_values) return value;
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        value.kind = ConfigValue::Kind::scalar;
        value.text = node.Scalar();
        value.quoted = node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str";
        break;
      case YAML::NodeType::Sequence:
        value.kind = ConfigValue::Kind::list;
        if (depth < deepest) {
          for (const auto& item : node) value.items.push_back(convert(item, value.line, depth + 1));
        }
        break;
      case YAML::NodeType::Map:
        value.kind = ConfigValue::Kind::mapping;
        if (depth < deepest) convert_entries(node, value, depth);
        break;
      default:
        value.kind = ConfigValue::Kind::null;
    }
    return value;
  }

  bool too_many() const { return values_ > most_values; }

 private:
  ConfigValue start(const YAML::Node& node, long line_if_unknown) const {
    ConfigValue value;
    value.line = node.Mark().is_null() ? line_if_unknown : node.Mark().line + 1;
    value.place = place_of_(value.line);
    return value;
  }

  void convert_entries(const YAML::Node& node, ConfigValue& mapping, int depth) {
    std::vector<std::pair<YAML::Node, long>> merged;
    for (const auto& entry : node) {
      ConfigValue key = start(entry.first, mapping.line);
      if (!entry.first.IsScalar()) {
        problems_.add(key.line, fmt::format("{}: a key that is not a text (a key is a name); write "
                                            "'name: value'",
                                            key.place));
        continue;
      }
      key.kind = ConfigValue::Kind::scalar;
      key.text = entry.first.Scalar();
      if (key.text == "<<" && entry.first.Tag() != "!") {
        merged.emplace_back(entry.second, key.line);
        continue;
      }
      const auto first = find(mapping, key.text);
      if (first != mapping.entries.end()) {
        problems_.add(
            key.line,
            fmt::format("{}: {}: written twice in one mapping (first at {}, and only one of them "
                        "could count); remove one",
                        key.place, in_quotes(key.text), first->first.place));
        continue;
      }
      ConfigValue value = convert(entry.second, key.line, depth + 1);
      mapping.entries.emplace_back(std::move(key), std::move(value));
    }
    for (const auto& [source, line] : merged) merge(source, line, mapping, depth);
  }

  /// YAML's merge key: what `source` (a mapping, or a list of them) says counts where nothing else
  /// does.
  void merge(const YAML::Node& source, long line, ConfigValue& mapping, int depth) {
    if (depth >= deepest) return;
    if (source.IsSequence()) {
      for (const auto& item : source) merge(item, line, mapping, depth + 1);
      return;
    }
    const ConfigValue other = convert(source, line, depth + 1);
    if (other.kind != ConfigValue::Kind::mapping) {
      problems_.add(
          line, fmt::format("{}: '<<' merges something that is no mapping; give it an alias of a "
                            "mapping",
                            place_of_(line)));
      return;
    }
    for (const auto& entry : other.entries) {
      if (find(mapping, entry.first.text) == mapping.entries.end())
        mapping.entries.push_back(entry);
    }
  }

  static std::vector<std::pair<ConfigValue, ConfigValue>>::iterator find(ConfigValue& mapping,
                                                                         const std::string& key) {
    return std::find_if(mapping.entries.begin(), mapping.entries.end(),
                        [&](const auto& entry) { return entry.first.text == key; });
  }

  std::function<std::string(long)> place_of_;
  Problems& problems_;
  int values_ = 0;
};

/// Listens to the parser for nothing but where documents start.
class DocumentStarts : public YAML::EventHandler {
 public:
  long line() const { return line_; }

  void OnDocumentStart(const YAML::Mark& mark) override { line_ = mark.line + 1; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  long line_ = 0;
};

/// The line where a second document starts; 0 if there is none. (YAML::Load passes over it in
/// silence, and YAML::LoadAll of version 0.7 does not end on text that starts with a comma.)
long second_document(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStarts starts;
  if (!parser.HandleNextDocument(starts) || !parser.HandleNextDocument(starts)) return 0;
  return starts.line();
}

std::optional<ConfigValue> parse(const std::string& text, const std::string& what,
                                 const std::function<std::string(long)>& place_of,
                                 Problems& problems) {
  if (const auto bad = first_invalid_utf8(text)) {
    const long line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(*bad), '\n');
    problems.add(line, fmt::format("{}: byte {} of the {} is not UTF-8; save it as UTF-8",
                                   place_of(line), *bad + 1, what));
    return std::nullopt;
  }
  if (const auto nul = text.find('\0'); nul != std::string::npos) {
    const long line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(nul), '\n');
    problems.add(line, fmt::format("{}: byte {} of the {} is NUL (is it a text file?)",
                                   place_of(line), nul + 1, what));
    return std::nullopt;
  }
  try {
    if (const long line = second_document(text)) {
      problems.add(
          line,
          fmt::format("{}: the {} has ended before this line, and something follows; is there "
                      "a '---' or a comma too many?",
                      place_of(line), what));
      return std::nullopt;
    }
    const YAML::Node document = YAML::Load(text);
    if (document.IsNull()) {
      problems.add(1, fmt::format("{}: the {} is empty; 'causeway generate --print-config' shows a "
                                  "complete one",
                                  place_of(1), what));
      return std::nullopt;
    }
    Converter converter(place_of, problems);
    auto value = converter.convert(document, 1);
    if (!converter.too_many()) return value;
    problems.add(
        1, fmt::format("{}: the {} holds more than {} values, aliases followed; is it the right "
                       "one?",
                       place_of(1), what, most_values));
  } catch (const YAML::Exception& error) {
    const long line = error.mark.is_null() ? 1 : error.mark.line + 1;
    problems.add(
        line,
        fmt::format("{}: not YAML: {} (column {}); check indentation, colons and quotes",
                    place_of(line), error.msg, error.mark.is_null() ? 1 : error.mark.column + 1));
  }
  return std::nullopt;
}

}  // namespace

std::optional<ConfigValue> parse_yaml_mapping(const std::string& text, const std::string& name,
                                              Problems& problems) {
  auto value = parse(
      text, "configuration", [&](long line) { return fmt::format("{}:{}", name, line); }, problems);
  if (value && value->kind != ConfigValue::Kind::mapping) {
    problems.add(value->line, fmt::format("{}: the configuration is not a mapping of keys; write "
                                          "'key: value' lines",
                                          value->place));
    return std::nullopt;
  }
  return value;
}

std::optional<ConfigValue> parse_yaml_option(const std::string& text, const std::string& option,
                                             long line, Problems& problems) {
  auto value = parse(
      text, "value", [&](long) { return option; }, problems);
  if (!value) return std::nullopt;
  const std::function<void(ConfigValue&)> mark = [&](ConfigValue& node) {
    node.line = line;
    node.from_command_line = true;
    for (auto& item : node.items) mark(item);
    for (auto& entry : node.entries) mark(entry.first), mark(entry.second);
  };
  mark(*value);
  return value;
}

}  // namespace causeway
