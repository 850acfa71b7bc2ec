// Numbers of any element type for kernel tests, and the CPU backends that run on this machine.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "kernels/bfloat16.hpp"
#include "kernels/kernels.hpp"

namespace causeway::testing {

/// An array of f32, bf16, f16 or u8, filled and read as float.
class Numbers {
 public:
  Numbers(ElementType type, std::size_t count, float fill = 0.0f)
      : type_(type), bytes_(count * bytes_of(type)) {
    for (std::size_t i = 0; i < count; ++i) set(i, fill);
  }
  Numbers(ElementType type, const std::vector<float>& values) : Numbers(type, values.size()) {
    for (std::size_t i = 0; i < values.size(); ++i) set(i, values[i]);
  }

  std::size_t size() const { return bytes_.size() / bytes_of(type_); }
  ElementType type() const { return type_; }
  std::byte* data() { return bytes_.data(); }
  const std::byte* data() const { return bytes_.data(); }

  float operator[](std::size_t i) const {
    const std::byte* p = bytes_.data() + i * bytes_of(type_);
    if (type_ == ElementType::u8) return static_cast<float>(std::to_integer<int>(*p));
    if (type_ == ElementType::f32) {
      float value;
      std::memcpy(&value, p, sizeof value);
      return value;
    }
    std::uint16_t bits;
    std::memcpy(&bits, p, sizeof bits);
    return type_ == ElementType::f16 ? half_to_float(bits) : to_float(bfloat16{bits});
  }
  void set(std::size_t i, float value) {
    std::byte* p = bytes_.data() + i * bytes_of(type_);
    if (type_ == ElementType::u8) {
      *p = static_cast<std::byte>(value);
    } else if (type_ == ElementType::f32) {
      std::memcpy(p, &value, sizeof value);
    } else {
      const std::uint16_t bits =
          type_ == ElementType::f16 ? float_to_half(value) : to_bfloat16(value).bits;
      std::memcpy(p, &bits, sizeof bits);
    }
  }

  View view(std::initializer_list<std::int64_t> shape) { return view_of(data(), type_, shape); }
  /// Rows of `width` elements that begin every `stride` elements.
  View rows(std::int64_t count, std::int64_t width, std::int64_t stride) {
    View v = view({count, width});
    v.stride[0] = stride;
    return v;
  }

  bool operator==(const Numbers&) const = default;

 private:
  ElementType type_;
  std::vector<std::byte> bytes_;
};

/// How far a correct result of `type` may lie from the exact value: one rounding, plus what the
/// sums and functions before it may lose in f32 (`slack` relative errors of 2⁻²³).
inline double allowed_error(ElementType type, double exact, double slack = 8.0) {
  const double rounding = type == ElementType::bf16 ? 0x1p-8 : 0x1p-24;
  return std::abs(exact) * (rounding + slack * 0x1p-23) + 1e-30;
}

/// The CPU backends by name; a test that is given one which this machine cannot run skips itself.
inline constexpr const char* cpu_isas[] = {"baseline", "avx2", "avx512", "avx512bf16"};

class EveryCpuBackend : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    kernels_ = kernels::cpu_kernels_named(GetParam());
    if (kernels_ == nullptr) GTEST_SKIP() << "this machine cannot run " << GetParam();
  }
  const kernels::Kernels& backend() const { return *kernels_; }
  static const kernels::Kernels& baseline() { return *kernels::cpu_kernels_named("baseline"); }

 private:
  const kernels::Kernels* kernels_ = nullptr;
};

inline std::string isa_name(const ::testing::TestParamInfo<const char*>& info) {
  return info.param;
}

}  // namespace causeway::testing

/// Runs every TEST_P of this file on every CPU backend.
#define CAUSEWAY_ON_EVERY_CPU_BACKEND(suite)                                               \
  INSTANTIATE_TEST_SUITE_P(Cpu, suite, ::testing::ValuesIn(::causeway::testing::cpu_isas), \
                           ::causeway::testing::isa_name)
