// bf16 numbers where kernels on the host reach them: the `Array` of library_cases.hpp there.
#pragma once

#include <vector>

#include "support/numbers.hpp"

namespace causeway::testing {

class OnHost {
 public:
  explicit OnHost(const std::vector<float>& values) : numbers_(ElementType::bf16, values) {}
  void* data() const { return numbers_.data(); }
  std::vector<float> values() const {
    std::vector<float> values(numbers_.size());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = numbers_[i];
    return values;
  }

 private:
  mutable Numbers numbers_;
};

}  // namespace causeway::testing
