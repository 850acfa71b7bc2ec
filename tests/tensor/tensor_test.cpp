// Owned memory: shapes, moves, rows, alignment, and the count of bytes in use.
#include "tensor/tensor.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

namespace causeway {
namespace {

TEST(Tensor, IsAlignedZeroedOnRequestAndCountsItsBytes) {
  const std::size_t before = host_memory().bytes_in_use();
  {
    const Tensor tensor = Tensor::zeros(ElementType::f32, {3, 5, 7});
    EXPECT_EQ(tensor.size(), 105);
    EXPECT_EQ(tensor.bytes(), 420u);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data()) % 64, 0u);
    for (int i = 0; i < 105; ++i) EXPECT_EQ(tensor.f32()[i], 0.0f);
    EXPECT_EQ(host_memory().bytes_in_use(), before + 420);
  }
  EXPECT_EQ(host_memory().bytes_in_use(), before);
  EXPECT_GE(host_memory().peak_bytes(), before + 420);
}

TEST(Tensor, MovesItsMemoryAndLeavesNothingBehind) {
  Tensor first(ElementType::bf16, {4, 4});
  void* data = first.data();
  Tensor second = std::move(first);
  EXPECT_EQ(second.data(), data);
  EXPECT_TRUE(
      first
          .empty());  // NOLINT(bugprone-use-after-move): what a move leaves is part of the contract
  second = Tensor(ElementType::f32, {1});
  EXPECT_EQ(second.size(), 1);
}

TEST(Tensor, RowsAreAViewOfTheFirstAxis) {
  Tensor tensor(ElementType::f32, {4, 3});
  for (int i = 0; i < 12; ++i) tensor.f32()[i] = static_cast<float>(i);
  const View rows = tensor.rows(1, 2);
  EXPECT_EQ(rows.shape[0], 2);
  EXPECT_EQ(static_cast<float*>(rows.data)[0], 3.0f);
  EXPECT_TRUE(rows.is_contiguous());
  EXPECT_THROW(tensor.rows(3, 2), Error);
  EXPECT_THROW(tensor.rows(-1, 1), Error);
}

TEST(Tensor, AskedForMoreMemoryThanThereIsThrowsAnErrorOfTheDevice) {
  try {
    const Tensor tensor(ElementType::f64, {std::int64_t{1} << 50});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::device);
  }
}

TEST(View, KnowsWhetherItIsContiguous) {
  float data[12] = {};
  View view = view_of(data, ElementType::f32, {3, 4});
  EXPECT_TRUE(view.is_contiguous());
  view.stride[0] = 8;
  EXPECT_FALSE(view.is_contiguous());
  view.shape[0] = 1;
  EXPECT_TRUE(view.is_contiguous());
}

}  // namespace
}  // namespace causeway
