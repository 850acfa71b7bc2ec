// A tensor store in memory, for tests that make their own weights.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "tensor/tensor.hpp"

namespace causeway::testing {

/// Tensor names in byte order, and their shapes.
using TensorShapes = std::map<std::string, std::vector<std::int64_t>>;

/// Owns its tensors; views stay valid while the store lives, also when it is moved.
class MapStore : public TensorStore {
 public:
  explicit MapStore(std::string description) : description_(std::move(description)) {}

  /// Adds a contiguous tensor; its name must be new.
  void add(const std::string& name, Tensor tensor);
  /// Adds row-major float numbers, stored as `type` (f32, bf16 or f16; rounded to nearest even).
  void add(const std::string& name, const std::vector<std::int64_t>& shape,
           const std::vector<float>& values, ElementType type = ElementType::f32);

  std::vector<std::string> names() const override;
  const StoredTensor* find(std::string_view name) const override;
  const std::string& description() const override { return description_; }
  std::vector<std::string> files() const override { return {}; }
  void release_pages(const StoredTensor&) const override {}

 private:
  struct Entry {
    Tensor tensor;
    StoredTensor stored;
  };
  std::string description_;
  std::map<std::string, Entry, std::less<>> entries_;
};

/// Element k (flat, row-major) of the tensor of 0-based rank j (names in byte order).
using WeightRule =
    std::function<float(const std::string& name, std::int64_t rank, std::int64_t element)>;

/// A store of all `shapes`, filled by `rule`, stored as `type`.
std::unique_ptr<MapStore> store_of(const std::string& description, const TensorShapes& shapes,
                                   const WeightRule& rule, ElementType type = ElementType::f32);

}  // namespace causeway::testing
