// Owned memory with a shape, and the host's allocator.
#include "tensor/tensor.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace causeway {
namespace {

constexpr std::size_t alignment = 64;

class HostMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes) override {
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void* pointer = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
    require(
        pointer != nullptr, ExitCode::device,
        "out of memory: {} bytes could not be allocated on top of {} in use; use a smaller video, "
        "a shorter window or more ranks per job group",
        bytes, in_use_.load());
    const std::size_t now = in_use_.fetch_add(bytes) + bytes;
    std::size_t peak = peak_.load();
    while (now > peak && !peak_.compare_exchange_weak(peak, now)) {
    }
    return pointer;
  }
  void release(void* pointer, std::size_t bytes) noexcept override {
    std::free(pointer);
    in_use_.fetch_sub(bytes);
  }
  void fill_zero(void* pointer, std::size_t bytes) override { std::memset(pointer, 0, bytes); }
  bool is_host() const override { return true; }
  void copy_in(void* target, const void* host, std::size_t bytes) override {
    std::memcpy(target, host, bytes);
  }
  void copy_out(void* host, const void* source, std::size_t bytes) override {
    std::memcpy(host, source, bytes);
  }
  void wait() override {}
  bool idle() override { return true; }
  std::size_t bytes_in_use() const override { return in_use_.load(); }
  std::size_t peak_bytes() const override { return peak_.load(); }

 private:
  std::atomic<std::size_t> in_use_{0};
  std::atomic<std::size_t> peak_{0};
};

}  // namespace

Memory& host_memory() {
  static HostMemory memory;
  return memory;
}

Tensor::Tensor(ElementType type, const std::vector<std::int64_t>& shape, Memory& memory)
    : memory_(&memory), type_(type), shape_(shape) {
  expects(shape.size() <= static_cast<std::size_t>(max_rank), "a tensor has at most six axes");
  for (const auto extent : shape) expects(extent >= 0, "extents are not negative");
  bytes_ = static_cast<std::size_t>(size()) * bytes_of(type);
  data_ = memory.allocate(bytes_);
}

Tensor Tensor::zeros(ElementType type, const std::vector<std::int64_t>& shape, Memory& memory) {
  Tensor tensor(type, shape, memory);
  memory.fill_zero(tensor.data_, tensor.bytes_);
  return tensor;
}

Tensor::Tensor(Tensor&& other) noexcept { *this = std::move(other); }

Tensor& Tensor::operator=(Tensor&& other) noexcept {
  if (this != &other) {
    if (data_ != nullptr) memory_->release(data_, bytes_);
    memory_ = std::exchange(other.memory_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    type_ = other.type_;
    shape_ = std::move(other.shape_);
    other.shape_.clear();
  }
  return *this;
}

Tensor::~Tensor() {
  if (data_ != nullptr) memory_->release(data_, bytes_);
}

std::int64_t Tensor::size() const {
  std::int64_t n = 1;
  for (const auto extent : shape_) n *= extent;
  return n;
}

Tensor Tensor::moved_to(Memory& target) && {
  if (memory_ == nullptr || memory_ == &target || (is_on_host() && target.is_host())) {
    return std::move(*this);
  }
  expects(is_on_host() || target.is_host(), "one of two memories is the host's");
  Tensor result(type_, shape_, target);
  if (target.is_host()) {
    memory_->copy_out(result.data_, data_, bytes_);
  } else {
    target.copy_in(result.data_, data_, bytes_);
  }
  return result;
}

View Tensor::rows(std::int64_t first, std::int64_t count) {
  View part = view();
  expects(part.rank >= 1 && first >= 0 && count >= 0 && first + count <= part.shape[0],
          "rows lie inside the tensor");
  part.data = static_cast<char*>(data_) +
              static_cast<std::size_t>(first * part.stride[0]) * bytes_of(type_);
  part.shape[0] = count;
  return part;
}

ConstView Tensor::rows(std::int64_t first, std::int64_t count) const {
  return const_cast<Tensor*>(this)->rows(first, count);
}

}  // namespace causeway
