// A tensor store in memory.
#include "support/map_store.hpp"

#include <cstring>
#include <numeric>

#include "kernels/bfloat16.hpp"

namespace causeway::testing {

void MapStore::add(const std::string& name, Tensor tensor) {
  expects(entries_.find(name) == entries_.end(), "a name is added once");
  Entry& entry = entries_[name];
  entry.tensor = std::move(tensor);
  entry.stored.name = name;
  entry.stored.stored_name = name;
  entry.stored.file = "memory";
  entry.stored.view = static_cast<const Tensor&>(entry.tensor).view();
  entry.stored.bytes = entry.tensor.bytes();
}

void MapStore::add(const std::string& name, const std::vector<std::int64_t>& shape,
                   const std::vector<float>& values, ElementType type) {
  Tensor tensor(type, shape);
  expects(tensor.size() == static_cast<std::int64_t>(values.size()), "values fill the shape");
  if (type == ElementType::f32) {
    std::memcpy(tensor.data(), values.data(), tensor.bytes());
  } else {
    expects(type == ElementType::bf16 || type == ElementType::f16, "weights are f32, bf16 or f16");
    auto* words = static_cast<std::uint16_t*>(tensor.data());
    for (const float value : values) {
      *words++ = type == ElementType::bf16 ? to_bfloat16(value).bits : float_to_half(value);
    }
  }
  add(name, std::move(tensor));
}

std::vector<std::string> MapStore::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

const StoredTensor* MapStore::find(std::string_view name) const {
  const auto at = entries_.find(name);
  return at == entries_.end() ? nullptr : &at->second.stored;
}

std::unique_ptr<MapStore> store_of(const std::string& description, const TensorShapes& shapes,
                                   const WeightRule& rule, ElementType type) {
  auto store = std::make_unique<MapStore>(description);
  std::int64_t rank = 0;
  for (const auto& [name, shape] : shapes) {
    const auto count =
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::int64_t k = 0; k < count; ++k)
      values[static_cast<std::size_t>(k)] = rule(name, rank, k);
    store->add(name, shape, values, type);
    ++rank;
  }
  return store;
}

}  // namespace causeway::testing
