// Every backend measures a ceiling of multiply-adds.
#include <gtest/gtest.h>

#include "support/numbers.hpp"

namespace causeway::testing {
namespace {

class Peak : public OnBackend {};
CAUSEWAY_ON_EVERY_BACKEND(Peak);

TEST_P(Peak, IsPositive) {
  EXPECT_GT(backend().measure_peak(ElementType::f32), 1e8);
  EXPECT_GT(backend().measure_peak(ElementType::bf16), 1e8);
}

}  // namespace
}  // namespace causeway::testing
