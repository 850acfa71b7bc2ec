// Device memory through which a rank hands its part of an exchange to the other ranks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "comm/comm.hpp"
#include "tensor/tensor.hpp"

namespace causeway {

/// The stretch of a send buffer in which all that others get lies, in bytes from its start.
struct SentSpan {
  explicit SentSpan(const Exchange& plan) {
    for (std::size_t r = 0; r < plan.send_bytes.size(); ++r) {
      if (plan.send_bytes[r] == 0) continue;
      const std::int64_t first = plan.send_offset[r], last = first + plan.send_bytes[r];
      begin = end == 0 ? first : std::min(begin, first);
      end = std::max(end, last);
    }
  }
  std::size_t bytes() const { return static_cast<std::size_t>(end - begin); }
  std::int64_t begin = 0, end = 0;
};

/// Two halves, used in turn: one is filled while the other may still be read by others. It is the
/// communicator's and the memory plan's alike, so that the plan counts what is allocated.
class ExchangeWindow {
 public:
  explicit ExchangeWindow(Memory& memory) : memory_(&memory) {}
  ~ExchangeWindow() { release(); }
  ExchangeWindow(const ExchangeWindow&) = delete;
  ExchangeWindow& operator=(const ExchangeWindow&) = delete;

  bool has_room(std::size_t bytes) const { return data_ != nullptr && bytes <= bytes_ / 2; }
  /// Halves of at least `bytes`; what was there is released before. Throws Error(device).
  void make_room(std::size_t bytes) {
    if (has_room(bytes)) return;
    release();
    // CUDA cuts smaller allocations out of blocks of this size, and shares a block as a whole.
    constexpr std::size_t block = std::size_t{2} << 20;
    const std::size_t wanted = (std::max<std::size_t>(2 * bytes, 1) + block - 1) / block * block;
    data_ = static_cast<std::byte*>(memory_->allocate(wanted));
    bytes_ = wanted;
  }
  void release() noexcept {
    if (data_ != nullptr) memory_->release(data_, bytes_);
    abandon();
  }
  /// Leaves the memory to the end of the process.
  void abandon() noexcept {
    data_ = nullptr;
    bytes_ = 0;
  }

  std::byte* data() { return data_; }
  std::size_t bytes() const { return bytes_; }
  /// Where half 0 or 1 begins, in bytes from `data()`.
  std::int64_t offset_of(int half) const { return half * static_cast<std::int64_t>(bytes_ / 2); }

 private:
  Memory* memory_;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace causeway
