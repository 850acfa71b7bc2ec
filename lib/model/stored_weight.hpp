// Borrows one tensor of a checkpoint as contiguous memory, and lets its pages go afterwards.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"

namespace causeway {

/// A weight in use. The view points into the mapped file, or into a copy if the file holds it
/// transposed or at an address that its element type cannot be read from. The destructor releases
/// the pages.
class StoredWeight {
 public:
  /// Throws Error(input) if the tensor is absent, has another shape, or is not f32, f16 or bf16.
  StoredWeight(const TensorStore& store, const std::string& name,
               const std::vector<std::int64_t>& shape);
  ~StoredWeight();
  StoredWeight(const StoredWeight&) = delete;
  StoredWeight& operator=(const StoredWeight&) = delete;

  const ConstView& view() const { return data_.view; }
  /// The same numbers with another shape of equal size.
  ConstView as(std::initializer_list<std::int64_t> shape) const;

 private:
  const TensorStore& store_;
  const StoredTensor& tensor_;
  ContiguousTensor data_;
};

}  // namespace causeway
