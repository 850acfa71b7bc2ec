// Numbers of any element type for kernel tests, and the backends that run on this machine.
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
#include "support/cublaslt_on_host/cublaslt_on_host.hpp"
#include "support/cuda_on_host/cuda_on_host.hpp"
#include "support/gpu/gpu.hpp"

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

/// The CPU backends by name.
inline constexpr const char* cpu_isas[] = {"baseline", "avx2", "avx512", "avx512bf16"};

/// All backends by name; a test that is given one which this machine cannot run skips itself.
inline constexpr const char* backend_names[] = {"baseline",   "avx2",         "avx512",
                                                "avx512bf16", "cuda_on_host", "gpu"};
/// Those in which libraries do a part; on the host these are stand-ins.
inline constexpr const char* library_backend_names[] = {"libraries_on_host", "gpu_libraries"};

/// Null if this machine cannot run it.
inline const kernels::Kernels* backend_named(const std::string& name) {
  if (name == "cuda_on_host") return cuda_on_host_kernels();
  if (name == "libraries_on_host") return libraries_on_host_kernels();
  if (name == "gpu") return gpu_kernels(false);
  if (name == "gpu_libraries") return gpu_kernels(true);
  return kernels::cpu_kernels_named(name.c_str());
}

/// A test on the backend that its parameter names.
class OnBackend : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { use(backend_named(GetParam())); }
  void TearDown() override { allocate_for_gpu(false); }
  /// Skips the test where there is no such backend.
  void use(const kernels::Kernels* found) {
    kernels_ = found;
    if (found == nullptr) GTEST_SKIP() << "this machine cannot run " << GetParam() << ".";
    if (found == gpu_kernels(false) || found == gpu_kernels(true)) allocate_for_gpu(true);
  }
  /// What the test framework keeps for itself must not lie in the memory for the GPU.
  static void skip(const char* reason) {
    allocate_for_gpu(false);
    GTEST_SKIP() << reason;
  }
  const kernels::Kernels& backend() const { return *kernels_; }
  bool is_cpu() const { return std::string(kernels_->name).starts_with("cpu"); }
  /// Threads as fibres take a microsecond at every barrier: some tests try less there.
  template <class T>
  std::vector<T> all_or(const std::vector<T>& all, const std::vector<T>& few) const {
    return is_cpu() ? all : few;
  }
  static const kernels::Kernels& baseline() { return *kernels::cpu_kernels_named("baseline"); }

 private:
  const kernels::Kernels* kernels_ = nullptr;
};

inline std::string backend_name(const ::testing::TestParamInfo<const char*>& info) {
  return info.param;
}

}  // namespace causeway::testing

/// Runs every TEST_P of this file on every backend.
#define CAUSEWAY_ON_EVERY_BACKEND(suite)                                                       \
  INSTANTIATE_TEST_SUITE_P(On, suite, ::testing::ValuesIn(::causeway::testing::backend_names), \
                           ::causeway::testing::backend_name)

/// The same for what libraries do on some of them.
#define CAUSEWAY_ON_EVERY_BACKEND_AND_LIBRARIES(suite)                                      \
  CAUSEWAY_ON_EVERY_BACKEND(suite);                                                         \
  INSTANTIATE_TEST_SUITE_P(With, suite,                                                     \
                           ::testing::ValuesIn(::causeway::testing::library_backend_names), \
                           ::causeway::testing::backend_name)
