// Memory that is closed while the host's own code runs, and kernels that open it.
#include "support/device_on_host/device_on_host.hpp"

#include <sys/mman.h>

#include <cstring>
#include <map>

#include "support/cublaslt_on_host/cublaslt_on_host.hpp"
#include "support/cuda_on_host/cuda_on_host.hpp"
#include "support/wrapped_kernels.hpp"

namespace causeway::testing {
namespace {

bool lost = false;

class ClosedMemory final : public Memory {
 public:
  ClosedMemory()
      : begin_(static_cast<char*>(
            mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    require(begin_ != MAP_FAILED, ExitCode::device, "no address space for a device of {} bytes",
            room);
  }
  ~ClosedMemory() override { munmap(begin_, room); }

  void open() { expects(mprotect(begin_, room, PROT_READ | PROT_WRITE) == 0, "memory opens"); }
  void close() { expects(mprotect(begin_, room, PROT_NONE) == 0, "memory closes"); }

  void* allocate(std::size_t bytes) override {
    const std::size_t size = (bytes + 256) / 256 * 256;
    std::size_t offset = 0;
    for (const auto& [taken, length] : taken_) {  // the first gap that is wide enough
      if (taken - offset >= size) break;
      offset = taken + length;
    }
    require(offset + size <= room && in_use_ + bytes <= limit_, ExitCode::device,
            "the device has no {} bytes left", bytes);
    taken_[offset] = size;
    in_use_ += bytes;
    peak_ = std::max(peak_, in_use_);
    return begin_ + offset;
  }
  void release(void* pointer, std::size_t bytes) noexcept override {
    taken_.erase(static_cast<std::size_t>(static_cast<char*>(pointer) - begin_));
    in_use_ -= bytes;
  }
  void fill_zero(void* pointer, std::size_t bytes) override {
    open();
    std::memset(pointer, 0, bytes);
    close();
  }
  void forget_peak() { peak_ = in_use_; }
  void limit(std::size_t bytes) { limit_ = bytes; }
  bool is_host() const override { return false; }
  void copy_in(void* target, const void* host, std::size_t bytes) override {
    open();
    std::memcpy(target, host, bytes);
    close();
  }
  void copy_out(void* host, const void* source, std::size_t bytes) override {
    open();
    std::memcpy(host, source, bytes);
    close();
  }
  void wait() override { require(!lost, ExitCode::device, "the device is lost"); }
  bool idle() override {
    wait();
    return true;
  }
  std::size_t bytes_in_use() const override { return in_use_; }
  std::size_t peak_bytes() const override { return peak_; }

 private:
  static constexpr std::size_t room = std::size_t{1} << 30;
  char* begin_;
  std::map<std::size_t, std::size_t> taken_;  // offset → length
  std::size_t in_use_ = 0, peak_ = 0, limit_ = room;
};

ClosedMemory& closed_memory() {
  static ClosedMemory memory;
  return memory;
}

template <bool libraries>
struct Opening {
  static const kernels::Kernels& inner() {
    return libraries ? *libraries_on_host_kernels() : *cuda_on_host_kernels();
  }
  static void before() { closed_memory().open(); }
  static kernels::Status after(kernels::Status status) {
    closed_memory().close();
    return lost ? kernels::Status::backend_failure : status;
  }
};

}  // namespace

const Ops* device_on_host() {
  if (cuda_on_host_kernels() == nullptr) return nullptr;
  static const kernels::Kernels table = WrappedKernels<Opening<false>>::table();
  static const Ops ops(table, closed_memory());
  return &ops;
}

const Ops* device_with_libraries_on_host() {
  if (libraries_on_host_kernels() == nullptr) return nullptr;
  static const kernels::Kernels table = WrappedKernels<Opening<true>>::table();
  static const Ops ops(table, closed_memory());
  return &ops;
}

void lose_device_on_host(bool now) { lost = now; }

void forget_peak_of_device_on_host() { closed_memory().forget_peak(); }

void limit_device_on_host(std::size_t more) {
  ClosedMemory& memory = closed_memory();
  memory.limit(more == 0 ? ~std::size_t{0} : memory.bytes_in_use() + more);
}

}  // namespace causeway::testing
