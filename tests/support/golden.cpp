// Golden numbers of tiny models: reading them, and making the synthetic weights and inputs.
#include "support/golden.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

namespace causeway::testing {

namespace {

using Json = nlohmann::json;

const Json& golden_numbers() {
  static const Json numbers = [] {
    std::ifstream file(std::string(CAUSEWAY_SOURCE_DIR) + "/tests/golden/golden.json");
    return Json::parse(file);
  }();
  return numbers;
}

void flatten(const Json& value, std::vector<double>& out) {
  if (value.is_array()) {
    for (const auto& element : value) flatten(element, out);
  } else {
    out.push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>());
  }
}

bool ends_with(const std::string& name, const std::string& end) {
  return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

bool is_norm(const std::string& name) {
  if (name == "norm.weight") return true;
  for (const char* end : {"norm_q.weight", "norm_k.weight", "norm1.weight", "norm2.weight",
                          "norm3.weight", ".gamma"}) {
    if (ends_with(name, end)) return true;
  }
  return false;
}

}  // namespace

std::vector<GoldenCase> golden_cases(const std::string& part) {
  std::vector<GoldenCase> cases;
  for (const auto& entry : golden_numbers().at(part)) {
    GoldenCase golden;
    golden.what = entry.at("what");
    golden.window = entry.value("window", -1);
    golden.sink = entry.value("sink", 0);
    golden.chunk = entry.value("chunk", 0);
    golden.t = entry.value("t", 0.0);
    golden.layer = entry.value("layer", -1);
    golden.index = entry.value("index", -1);
    golden.shape = entry.at("shape").get<std::vector<std::int64_t>>();
    golden.first = entry.at("first").get<std::array<double, 6>>();
    golden.last = entry.at("last");
    golden.rms = entry.at("rms");
    cases.push_back(std::move(golden));
  }
  return cases;
}

std::vector<double> golden_scalars(const std::string& name) {
  std::vector<double> values;
  flatten(golden_numbers().at("scalars").at(name), values);
  return values;
}

double golden_error(const GoldenCase& golden, const std::vector<float>& values) {
  std::int64_t count = 1;
  for (const std::int64_t extent : golden.shape) count *= extent;
  if (count != static_cast<std::int64_t>(values.size())) {
    return std::numeric_limits<double>::infinity();
  }
  double squares = 0;
  for (const float value : values)
    squares += static_cast<double>(value) * static_cast<double>(value);
  const double rms = std::sqrt(squares / static_cast<double>(count));
  if (std::isnan(rms)) return rms;
  double error = std::max(std::abs(rms - golden.rms),
                          std::abs(static_cast<double>(values.back()) - golden.last));
  for (std::size_t i = 0; i < golden.first.size(); ++i) {
    error = std::max(error, std::abs(static_cast<double>(values[i]) - golden.first[i]));
  }
  return error / golden.rms;
}

std::vector<float> golden_input(std::size_t count, double phase) {
  std::vector<float> values(count);
  for (std::size_t k = 0; k < count; ++k) {
    values[k] = static_cast<float>(std::sin(0.173 * static_cast<double>(k) + phase));
  }
  return values;
}

std::unique_ptr<MapStore> golden_store(const std::string& description, const TensorShapes& shapes,
                                       double amplitude, ElementType type) {
  const WeightRule rule = [amplitude](const std::string& name, std::int64_t rank, std::int64_t k) {
    const double s =
        std::sin(0.731 * static_cast<double>(k) + 1.37 * static_cast<double>(rank) + 0.2);
    return static_cast<float>(is_norm(name) ? 1 + 0.1 * s : amplitude * s);
  };
  return store_of(description, shapes, rule, type);
}

}  // namespace causeway::testing
