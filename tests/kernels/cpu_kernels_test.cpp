// How a CPU backend is chosen, and that its table has no holes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "kernels/kernels.hpp"
#include "support/numbers.hpp"

namespace causeway::testing {
namespace {

class CpuKernels : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const char* value = std::getenv(variable)) before_ = value;
    unsetenv(variable);
  }
  void TearDown() override {
    if (before_) setenv(variable, before_->c_str(), 1);
    if (!before_) unsetenv(variable);
  }
  static constexpr const char* variable = "CAUSEWAY_CPU_ISA";

 private:
  std::optional<std::string> before_;
};

TEST_F(CpuKernels, TheNewestRunnableBackendIsChosen) {
  const kernels::Kernels* newest = nullptr;
  for (const char* isa : cpu_isas) {
    if (const auto* backend = kernels::cpu_kernels_named(isa)) newest = backend;
  }
  ASSERT_NE(newest, nullptr);
  EXPECT_EQ(kernels::cpu_kernels(), newest);
}

TEST_F(CpuKernels, TheEnvironmentNarrowsTheChoice) {
  for (const char* isa : cpu_isas) {
    setenv(variable, isa, 1);
    EXPECT_EQ(kernels::cpu_kernels(), kernels::cpu_kernels_named(isa)) << isa;
  }
}

TEST_F(CpuKernels, AnUnknownNameIsNoBackend) {
  setenv(variable, "avx1024", 1);
  EXPECT_EQ(kernels::cpu_kernels(), nullptr);
  EXPECT_EQ(kernels::cpu_kernels_named("avx1024"), nullptr);
}

TEST_F(CpuKernels, EveryTableIsFullAndNamed) {
  for (const char* isa : cpu_isas) {
    const kernels::Kernels* backend = kernels::cpu_kernels_named(isa);
    if (backend == nullptr) continue;
    EXPECT_EQ(std::string(backend->name), std::string("cpu-") + isa);
    EXPECT_EQ(backend->native_bf16, std::string(isa) == "avx512bf16");
    EXPECT_TRUE(backend->deterministic);
    // All members after the properties are pointers.
    const auto* bytes = reinterpret_cast<const unsigned char*>(backend);
    std::size_t pointers = 0;
    for (std::size_t at = 2 * sizeof(void*); at < sizeof *backend; at += sizeof(void*)) {
      void* pointer;
      std::memcpy(&pointer, bytes + at, sizeof pointer);
      EXPECT_NE(pointer, nullptr) << isa << ", member at byte " << at;
      ++pointers;
    }
    EXPECT_GT(pointers, 30u);
  }
}

}  // namespace
}  // namespace causeway::testing
