// Rows at any address: the same bits everywhere, and vectors where a GPU can have them.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "support/compare.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {
namespace {

using kernels::Status;

enum class Kernel { layer_norm, rms_norm, gamma_norm, norm, norm_and_rotation, rotation };

/// Rows of numbers, and how many elements after the place where vectors could be they begin.
struct Case {
  Kernel kernel;
  std::int64_t rows, width;
  ElementType x_type = ElementType::f32, y_type = ElementType::f32;
  std::int64_t x_offset = 0, y_offset = 0, parameter_offset = 0, x_gap = 0, y_gap = 0;
  std::int64_t x_stride() const { return width + x_gap; }
  std::int64_t y_stride() const { return width + y_gap; }
};

/// The columns of every row, without the gaps.
std::vector<float> result_of(const kernels::Kernels& k, const Case& c) {
  constexpr std::int64_t groups = 2;  // of one head each: they lie as two long rows would
  const auto index = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  const auto numbers = [&](std::int64_t count, std::uint32_t seed) {
    auto values = random_normal(index(count), seed, 2.0f);
    values.insert(values.begin(), index(c.parameter_offset), 0.0f);
    return values;
  };
  const auto scale = numbers(c.width, 1), shift = numbers(c.width, 2);
  const auto turns = numbers(c.rows * c.width / groups, 3);
  const auto plain = random_normal(index(c.rows * c.width), 4, 3.0f);
  Numbers x(c.x_type, index(c.x_offset + c.rows * c.x_stride()));
  for (std::int64_t i = 0; i < c.rows * c.width; ++i) {
    x.set(index(c.x_offset + i / c.width * c.x_stride() + i % c.width), plain[index(i)]);
  }
  const bool packs = c.kernel >= Kernel::norm;
  const std::int64_t lines = packs ? groups : c.rows;
  const std::int64_t line = c.rows * c.width / lines, y_stride = line + c.y_gap;
  Numbers y(c.y_type, index(c.y_offset + lines * y_stride));
  ConstView from = x.rows(c.rows, c.width, c.x_stride());
  View to = y.rows(c.rows, c.width, y_stride);
  from.data = x.data() + index(c.x_offset) * bytes_of(c.x_type);
  to.data = y.data() + index(c.y_offset) * bytes_of(c.y_type);
  const float* first = scale.data() + c.parameter_offset;
  const float* second = shift.data() + c.parameter_offset;
  Status status = Status::ok;
  if (c.kernel == Kernel::layer_norm) {
    status = k.layer_norm({from, first, second, true, 1e-6f, to}, nullptr);
  } else if (c.kernel == Kernel::rms_norm) {
    status = k.rms_norm({from, first, 1e-6f, to}, nullptr);
  } else if (c.kernel == Kernel::gamma_norm) {
    status = k.gamma_norm({from, first, true, to}, nullptr);
  } else {
    status =
        k.norm_rope_pack({from, c.kernel == Kernel::rotation ? nullptr : first, 1e-6f,
                          c.kernel == Kernel::norm ? nullptr : turns.data() + c.parameter_offset,
                          groups, c.width / groups, groups, to.data, c.y_type, y_stride},
                         nullptr);
  }
  EXPECT_EQ(status, Status::ok);
  std::vector<float> result;
  for (std::int64_t i = 0; i < lines * line; ++i) {
    result.push_back(y[index(c.y_offset + i / line * y_stride + i % line)]);
  }
  return result;
}

/// Every kernel with every pair of types that it takes.
std::vector<Case> cases(std::int64_t rows, std::int64_t width) {
  std::vector<Case> all;
  for (const Kernel kernel : {Kernel::layer_norm, Kernel::rms_norm, Kernel::gamma_norm,
                              Kernel::norm, Kernel::norm_and_rotation, Kernel::rotation}) {
    for (const ElementType x_type : {ElementType::f32, ElementType::bf16}) {
      if (kernel <= Kernel::rms_norm && x_type != ElementType::f32) continue;
      for (const ElementType y_type : {ElementType::f32, ElementType::bf16}) {
        all.push_back({kernel, rows, width, x_type, y_type});
      }
    }
  }
  return all;
}

std::string words_of(const Case& c) {
  return "kernel " + std::to_string(static_cast<int>(c.kernel)) + ", " + name_of(c.x_type) +
         " to " + name_of(c.y_type) + ", width " + std::to_string(c.width);
}

class RowGroups : public OnBackend {};
CAUSEWAY_ON_EVERY_BACKEND(RowGroups);

TEST_P(RowGroups, BitsDoNotDependOnAddresses) {
  for (const std::int64_t width : {16, 40, 304, 1536}) {
    for (const Case& aligned : cases(3, width)) {
      const auto expected = result_of(backend(), aligned);
      for (const std::int64_t by : {1, 2, 4}) {
        for (const auto member : {&Case::x_offset, &Case::y_offset, &Case::parameter_offset,
                                  &Case::x_gap, &Case::y_gap}) {
          Case other = aligned;
          other.*member = by;
          ASSERT_EQ(result_of(backend(), other), expected) << words_of(aligned) << ", " << by;
        }
      }
    }
  }
}

/// What a kernel moves for a column of its x, its y and its parameters.
std::int64_t bytes_of_column(const Case& c) {
  const auto x = static_cast<std::int64_t>(bytes_of(c.x_type));
  const auto y = static_cast<std::int64_t>(bytes_of(c.y_type));
  switch (c.kernel) {
    case Kernel::layer_norm:
      return 3 * x + y + 8;  // the mean, the variance, the result; scale and shift
    case Kernel::rms_norm:
    case Kernel::gamma_norm:
    case Kernel::norm:
    case Kernel::rotation:
      return (c.kernel == Kernel::rotation ? 1 : 2) * x + y + 4;
    case Kernel::norm_and_rotation:
      return 2 * x + y + 8;
  }
  return 0;
}

TEST(RowGroupsOnHost, AreVectorsExactlyWhereAllAddressesAllowIt) {
  const kernels::Kernels* backend = cuda_on_host_kernels();
  if (backend == nullptr) GTEST_SKIP() << "fibres cannot be used";
  const auto moved = [&](const Case& c) {
    const std::int64_t before = cuda_on_host_work().vector_bytes;
    result_of(*backend, c);
    return cuda_on_host_work().vector_bytes - before;
  };
  for (const Case& c : cases(2, 304)) {
    const std::int64_t all = c.rows * c.width * bytes_of_column(c);
    EXPECT_EQ(moved(c), all) << words_of(c);
    for (const auto member :
         {&Case::x_offset, &Case::y_offset, &Case::parameter_offset, &Case::x_gap, &Case::y_gap}) {
      Case other = c;
      other.*member = 2;
      EXPECT_EQ(moved(other), 0) << words_of(c);
      other.*member = 4;
      EXPECT_EQ(moved(other), all) << words_of(c);
    }
  }
  // Rows that are no whole groups; rows that are, of heads that are not.
  for (const Case& c : cases(2, 150)) {
    if (c.kernel > Kernel::norm) continue;  // 75 columns are no pairs
    EXPECT_EQ(moved(c), 0) << words_of(c);
  }
  for (const Case& c : cases(2, 300)) {
    const std::int64_t all = c.rows * c.width * bytes_of_column(c);
    EXPECT_EQ(moved(c), c.kernel < Kernel::norm ? all : 0) << words_of(c);
  }
}

}  // namespace
}  // namespace causeway::testing
