// A device that is not there: it counts what would be allocated on it, and computes nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/ops.hpp"

namespace causeway {

/// Memory that is promised and never touched; what is read from it is zero.
class CountedMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes) override;
  void release(void* pointer, std::size_t bytes) noexcept override;
  void fill_zero(void*, std::size_t) override {}
  bool is_host() const override { return false; }
  void copy_in(void*, const void*, std::size_t) override {}
  void copy_out(void* host, const void* source, std::size_t bytes) override;
  void wait() override {}
  bool idle() override { return true; }
  std::size_t bytes_in_use() const override { return in_use_; }
  std::size_t peak_bytes() const override { return peak_; }

 private:
  std::uintptr_t next_ = std::uintptr_t{1} << 40;
  std::size_t in_use_ = 0, peak_ = 0;
};

/// The verbs of backend `like`, without the work: sizes and checks are those of a run.
Ops phantom_ops(const kernels::Kernels& like, CountedMemory& memory);

/// What convolutions of phantoms hold now: a backend keeps their weights beside its `Memory`.
std::size_t phantom_convolution_bytes();

}  // namespace causeway
