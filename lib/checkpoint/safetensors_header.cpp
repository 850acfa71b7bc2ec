// The JSON parts of safetensors files, read event by event, so that hostile text builds no tree.
#include "checkpoint/safetensors_header.hpp"

#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "checkpoint/wording.hpp"
#include "core/error.hpp"
#include "tensor/tensor.hpp"

namespace causeway {
namespace {

using Json = nlohmann::json;

/// Turns the parser's many events into five, and its errors into ours.
class JsonReader : public Json::json_sax_t {
 public:
  JsonReader(const std::string& file, const char* what) : file_(file), what_(what) {}

  void read(std::string_view json) {
    Json::sax_parse(json.begin(), json.end(), static_cast<Json::json_sax_t*>(this));
  }

 protected:
  virtual void open(bool object) = 0;
  virtual void close() = 0;
  virtual void member(const std::string& name) = 0;
  virtual void text(const std::string& value) = 0;
  virtual void number(std::uint64_t value) = 0;
  /// null, booleans, negative and fractional numbers.
  virtual void other() = 0;

  [[noreturn]] void refuse(const std::string& reason) const {
    fail(ExitCode::input, "'{}': {} {}; the file is damaged or not what its name says", file_,
         what_, reason);
  }

 private:
  bool null() override { return other(), true; }
  bool boolean(bool) override { return other(), true; }
  bool number_integer(Json::number_integer_t) override { return other(), true; }
  bool number_unsigned(Json::number_unsigned_t value) override { return number(value), true; }
  bool number_float(Json::number_float_t, const std::string&) override { return other(), true; }
  bool string(std::string& value) override { return text(value), true; }
  bool binary(Json::binary_t&) override { return other(), true; }
  bool start_object(std::size_t) override { return open(true), true; }
  bool key(std::string& name) override { return member(name), true; }
  bool end_object() override { return close(), true; }
  bool start_array(std::size_t) override { return open(false), true; }
  bool end_array() override { return close(), true; }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    refuse(fmt::format("is not valid JSON (byte {})", position));
  }

  const std::string& file_;
  const char* what_;
};

/// Depth 1: tensor names; depth 2: the fields of one; depth 3: the numbers of `shape`,
/// `data_offsets`.
class HeaderReader final : public JsonReader {
 public:
  explicit HeaderReader(const std::string& file) : JsonReader(file, "the header") {}
  std::vector<SafetensorsEntry> entries;

 private:
  void open(bool object) override {
    ++depth_;
    if (object ? depth_ > 2 : depth_ != 3) refuse_structure();
    if (depth_ == 2) fields_.clear();
    if (depth_ == 3) {
      if (in_metadata_ || (field_ != "shape" && field_ != "data_offsets")) refuse_structure();
      numbers_.clear();
    }
  }

  void close() override {
    if (depth_ == 3) {
      finish_numbers();
    } else if (depth_ == 2 && !in_metadata_ && fields_.size() != 3) {
      refuse(
          fmt::format("does not give dtype, shape and data_offsets of tensor '{}'", shown(name_)));
    }
    --depth_;
  }

  void member(const std::string& name) override {
    if (depth_ == 2) {
      if (in_metadata_) return;
      if (!fields_.insert(name).second) {
        refuse(fmt::format("gives '{}' of tensor '{}' twice", shown(name), shown(name_)));
      }
      field_ = name;
      return;
    }
    if (!names_.insert(name).second) {
      refuse(fmt::format("names tensor '{}' twice", shown(name)));
    }
    name_ = name;
    in_metadata_ = name == "__metadata__";
    if (!in_metadata_) entries.emplace_back().name = name;
  }

  void text(const std::string& value) override {
    if (depth_ == 2 && in_metadata_) return;
    if (depth_ != 2 || field_ != "dtype") refuse_structure();
    entries.back().type = value;
  }

  void number(std::uint64_t value) override {
    if (depth_ != 3) refuse_structure();
    if (numbers_.size() == static_cast<std::size_t>(max_rank)) {
      refuse(fmt::format("gives '{}' of tensor '{}' more than {} numbers", field_, shown(name_),
                         max_rank));
    }
    numbers_.push_back(value);
  }

  void other() override { refuse_structure(); }

  void finish_numbers() {
    SafetensorsEntry& entry = entries.back();
    if (field_ == "data_offsets") {
      if (numbers_.size() != 2) refuse_structure();
      entry.begin = numbers_[0];
      entry.end = numbers_[1];
      return;
    }
    for (const std::uint64_t size : numbers_) {
      if (size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        refuse(fmt::format("gives tensor '{}' a size of {}", shown(name_), size));
      }
      entry.shape.push_back(static_cast<std::int64_t>(size));
    }
  }

  [[noreturn]] void refuse_structure() const {
    if (depth_ < 2) refuse("is not an object of tensors");
    refuse(
        fmt::format("describes '{}' in an unknown way (expected \"dtype\": text, \"shape\": sizes, "
                    "\"data_offsets\": [begin, end])",
                    shown(name_)));
  }

  int depth_ = 0;
  bool in_metadata_ = false;
  std::string name_, field_;
  std::set<std::string> names_, fields_;
  std::vector<std::uint64_t> numbers_;
};

/// Depth 1: sections; depth 2 of `weight_map`: tensor → file. Everything else is passed over.
class IndexReader final : public JsonReader {
 public:
  explicit IndexReader(const std::string& file) : JsonReader(file, "the index") {}
  std::map<std::string, std::string> weight_map;
  bool found = false;

 private:
  static constexpr int deepest = 32;

  void open(bool object) override {
    ++depth_;
    if (depth_ > deepest) refuse(fmt::format("is nested more than {} deep", deepest));
    if (depth_ == 1 && !object) refuse("is not an object");
    if (in_map_ && (depth_ > 2 || !object))
      refuse("has a weight_map that is not tensor: file name");
  }
  void close() override { --depth_; }
  void member(const std::string& name) override {
    if (depth_ == 1) {
      in_map_ = name == "weight_map";
      if (in_map_ && std::exchange(found, true)) refuse("has two weight_maps");
    }
    if (depth_ == 2 && in_map_) {
      tensor_ = name;
      if (weight_map.count(name) != 0) refuse(fmt::format("names tensor '{}' twice", shown(name)));
    }
  }
  void text(const std::string& value) override {
    if (depth_ == 2 && in_map_) {
      weight_map.emplace(tensor_, value);
    } else {
      other();
    }
  }
  void number(std::uint64_t) override { other(); }
  void other() override {
    if (depth_ == 0) refuse("is not an object");
    if (in_map_) refuse("has a weight_map that is not tensor: file name");
  }

  int depth_ = 0;
  bool in_map_ = false;
  std::string tensor_;
};

}  // namespace

std::vector<SafetensorsEntry> parse_safetensors_header(std::string_view json,
                                                       const std::string& file) {
  HeaderReader reader(file);
  reader.read(json);
  return std::move(reader.entries);
}

std::map<std::string, std::string> parse_weight_map(std::string_view json,
                                                    const std::string& file) {
  IndexReader reader(file);
  reader.read(json);
  require(
      reader.found, ExitCode::input,
      "'{}': the index has no weight_map (which tensor lies in which file); name the index that "
      "was published with the shards",
      file);
  return std::move(reader.weight_map);
}

}  // namespace causeway
