// The scratch memory of convolutions: one block for the whole process, as long as it has
// convolutions.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>

namespace causeway::kernels {

/// Grows to the largest need of any plan, so that fifty convolutions do not hold fifty scratchpads.
/// The lock is held while a convolution runs: convolutions of several threads take turns.
class ConvWorkspace {
 public:
  static constexpr std::size_t alignment = 64;
  static constexpr std::size_t aligned(std::size_t bytes) {
    return (bytes + alignment - 1) / alignment * alignment;
  }

  /// A convolution begins or ends to exist; the last one to leave frees the memory. Both take the
  /// lock.
  void join() {
    const std::lock_guard lock(mutex_);
    ++users_;
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--users_ > 0) return;
    data_.reset();
    bytes_ = 0;
  }

  /// Call with the lock held. What was in the memory is lost; throws std::bad_alloc.
  void grow(std::size_t bytes) {
    if (bytes <= bytes_) return;
    data_.reset();
    bytes_ = 0;
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, aligned(bytes))));
    if (data_ == nullptr) throw std::bad_alloc();
    bytes_ = bytes;
  }

  /// Call with the lock held; aligned to `alignment`.
  std::byte* data() const { return data_.get(); }

  std::mutex& mutex() { return mutex_; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::mutex mutex_;
  std::unique_ptr<std::byte, Free> data_;
  std::size_t bytes_ = 0;
  int users_ = 0;
};

}  // namespace causeway::kernels
