// The face of lib/tensor: memory with a shape, owned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>

#include "core/error.hpp"
#include "kernels/bfloat16.hpp"
#include "kernels/view.hpp"

namespace causeway {

/// Where tensors live, and the queue of the device in which work on them takes its turn. One object
/// per device and queue; allocations are 64-byte aligned and counted.
class Memory {
 public:
  virtual ~Memory() = default;
  /// The queue that kernels of this memory's tensors are asked in (kernels::Stream); null is the
  /// device's first one, or the host itself.
  virtual void* stream() const { return nullptr; }
  /// The same memory with another queue, whose work does not wait for that of this one, nor this
  /// one's for it; `first`: it comes first where both could run. This one outlives it. Null where
  /// there is no such queue.
  virtual std::unique_ptr<Memory> beside(bool /*first*/) { return nullptr; }
  /// To be called by a thread other than the one that opened the device, before it asks for
  /// anything.
  virtual void enter_thread() {}
  /// Uninitialised bytes; throws Error(device) when there are none left.
  virtual void* allocate(std::size_t bytes) = 0;
  /// Waits for all queues of the device, whose work may still use it.
  virtual void release(void* pointer, std::size_t bytes) noexcept = 0;
  virtual void fill_zero(void* pointer, std::size_t bytes) = 0;
  /// Whether the host may read and write this memory itself.
  virtual bool is_host() const = 0;
  /// From the host's memory into this one, and back; both have finished when they return.
  virtual void copy_in(void* target, const void* host, std::size_t bytes) = 0;
  virtual void copy_out(void* host, const void* source, std::size_t bytes) = 0;
  /// Returns when all that was asked of this queue has been done; throws Error(device) if any of it
  /// failed.
  virtual void wait() = 0;
  /// Whether it has been done by now; throws as wait() does.
  virtual bool idle() = 0;
  virtual std::size_t bytes_in_use() const = 0;
  virtual std::size_t peak_bytes() const = 0;
};

/// The host's memory.
Memory& host_memory();

/// Owner of a contiguous block of elements. Movable, not copyable.
class Tensor {
 public:
  Tensor() = default;
  Tensor(ElementType type, const std::vector<std::int64_t>& shape, Memory& memory = host_memory());
  Tensor(ElementType type, std::initializer_list<std::int64_t> shape,
         Memory& memory = host_memory())
      : Tensor(type, std::vector<std::int64_t>(shape), memory) {}
  static Tensor zeros(ElementType type, const std::vector<std::int64_t>& shape,
                      Memory& memory = host_memory());

  Tensor(Tensor&& other) noexcept;
  Tensor& operator=(Tensor&& other) noexcept;
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;
  ~Tensor();

  bool empty() const { return data_ == nullptr; }
  ElementType type() const { return type_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t size() const;
  std::size_t bytes() const { return bytes_; }

  View view() {
    return make_view<void*>(data_, type_, shape_.data(), static_cast<int>(shape_.size()));
  }
  ConstView view() const {
    return make_view<const void*>(data_, type_, shape_.data(), static_cast<int>(shape_.size()));
  }
  bool is_on_host() const { return memory_ == nullptr || memory_->is_host(); }
  /// The same numbers in `target`; one of the two memories is the host's. A tensor that is there
  /// already is handed on, not copied.
  Tensor moved_to(Memory& target) &&;

  /// Rows [first, first + count) of the first axis.
  View rows(std::int64_t first, std::int64_t count);
  ConstView rows(std::int64_t first, std::int64_t count) const;

  void* data() { return data_; }
  const void* data() const { return data_; }
  float* f32() {
    expects(type_ == ElementType::f32, "tensor is f32");
    return static_cast<float*>(data_);
  }
  const float* f32() const {
    expects(type_ == ElementType::f32, "tensor is f32");
    return static_cast<const float*>(data_);
  }

 private:
  Memory* memory_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  ElementType type_ = ElementType::f32;
  std::vector<std::int64_t> shape_;
};

}  // namespace causeway
