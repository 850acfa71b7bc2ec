// Memory that is closed while the host's own code runs, and kernels that open it.
#include "support/device_on_host/device_on_host.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "support/cublaslt_on_host/cublaslt_on_host.hpp"
#include "support/cuda_on_host/cuda_on_host.hpp"
#include "support/wrapped_kernels.hpp"

namespace causeway::testing {
namespace {

std::atomic<bool> lost = false;
Pace pace = Pace::late;
const std::thread::id opening_thread = std::this_thread::get_id();

class ClosedMemory final : public Memory {
 public:
  ClosedMemory() : file_(memfd_create("device_on_host", MFD_CLOEXEC)) {
    require(file_ >= 0 && ftruncate(file_, room + page) == 0, ExitCode::device,
            "no shared memory for a device of {} bytes", room);
    void* const begin = mmap(nullptr, room, PROT_NONE, private_memory, -1, 0);
    void* const last = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, file_, room);
    require(begin != MAP_FAILED && last != MAP_FAILED, ExitCode::device,
            "no address space for a device of {} bytes", room);
    begin_ = static_cast<char*>(begin);
    openings_ = static_cast<std::atomic<int>*>(last);  // zero, as all of a new file
  }
  ~ClosedMemory() override {
    munmap(openings_, page);
    munmap(begin_, room);
    ::close(file_);
  }

  /// For a kernel or a copy, which takes its turn after the copies before it; until it is closed
  /// other threads wait.
  void open() {
    one_at_a_time_.lock();
    const auto pending = std::exchange(pending_, {});
    if (pace == Pace::slow && !pending.empty()) usleep(2000);
    open_pages();
    for (const Copy& copy : pending) std::memcpy(copy.target, copy.source, copy.bytes);
  }
  void close() {
    expects(mprotect(begin_, room, PROT_NONE) == 0, "memory closes");
    one_at_a_time_.unlock();
  }

  std::unique_ptr<Memory> beside(bool first) override;
  void* allocate(std::size_t bytes) override {
    const std::lock_guard lock(one_at_a_time_);
    // Whole pages begin with a page, so that they can be shared.
    const std::size_t step = bytes > 0 && bytes % page == 0 ? page : 256;
    const std::size_t size = (bytes + step) / step * step;
    std::size_t offset = 0;
    for (const auto& [taken, length] : taken_) {  // the first gap that is wide enough
      if (offset + size <= taken) break;
      offset = (taken + length + step - 1) / step * step;
    }
    require(offset + size <= room && in_use_ + bytes <= limit_, ExitCode::device,
            "the device has no {} bytes left", bytes);
    taken_[offset] = size;
    ++calls_.allocations;
    in_use_ += bytes;
    peak_ = std::max(peak_.load(), in_use_.load());
    return begin_ + offset;
  }
  void release(void* pointer, std::size_t bytes) noexcept override {
    const std::lock_guard lock(one_at_a_time_);
    carry_out();
    const auto offset = static_cast<std::size_t>(static_cast<char*>(pointer) - begin_);
    if (shared_.erase(offset) > 0) {
      if (*openings_ > 0) {
        std::fprintf(stderr, "memory is released that other processes have open\n");
        std::abort();
      }
      map_again(offset, private_memory, -1);
    }
    taken_.erase(offset);
    in_use_ -= bytes;
  }
  void fill_zero(void* pointer, std::size_t bytes) override {
    open();
    std::memset(pointer, 0, bytes);
    close();
  }
  DeviceCalls calls() {
    const std::lock_guard lock(one_at_a_time_);
    return calls_;
  }
  void forget_peak() { peak_ = in_use_.load(); }
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
  void wait() override {
    const std::lock_guard lock(one_at_a_time_);
    require(!lost, ExitCode::device, "the device is lost");
    ++calls_.waits;
    carry_out();
  }
  bool idle() override {
    wait();
    return true;
  }
  std::size_t bytes_in_use() const override { return in_use_; }
  std::size_t peak_bytes() const override { return peak_; }

  void copy(void* target, const void* source, std::size_t bytes) {
    const std::lock_guard lock(one_at_a_time_);
    pending_.push_back({target, source, bytes});
    if (pace == Pace::at_once) carry_out();
  }
  std::optional<SharedAllocation> share(const void* pointer) {
    const std::lock_guard lock(one_at_a_time_);
    const auto found =
        taken_.find(static_cast<std::size_t>(static_cast<const char*>(pointer) - begin_));
    if (found == taken_.end() || found->first % page != 0 || found->second % page != 0)
      return std::nullopt;
    const auto [offset, bytes] = *found;
    if (shared_.insert(offset).second) {
      open();
      const std::vector<char> content(begin_ + offset, begin_ + offset + bytes);
      close();
      map_again(offset, MAP_SHARED, file_);
      copy_in(begin_ + offset, content.data(), bytes);
    }
    return SharedAllocation{file_, offset, bytes, room};
  }

 private:
  struct Copy {
    void* target;
    const void* source;
    std::size_t bytes;
  };
  void open_pages() {
    expects(mprotect(begin_, room, PROT_READ | PROT_WRITE) == 0, "memory opens");
  }
  /// Other pages in the place of an allocation's.
  void map_again(std::size_t offset, int flags, int file) {
    const auto at = file < 0 ? 0 : static_cast<off_t>(offset);
    expects(mmap(begin_ + offset, taken_.at(offset), PROT_NONE, flags | MAP_FIXED, file, at) !=
                MAP_FAILED,
            "pages are mapped again");
  }
  void carry_out() {
    if (pending_.empty()) return;
    open();
    close();
  }

  std::recursive_mutex one_at_a_time_;
  DeviceCalls calls_;
  static constexpr std::size_t room = std::size_t{1} << 30, page = 4096;
  static constexpr int private_memory = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  int file_;  // pages of what has been shared, each at its offset; then one page that counts
  char* begin_ = nullptr;
  std::atomic<int>* openings_ = nullptr;  // of all that is shared
  std::set<std::size_t> shared_;          // offsets
  std::vector<Copy> pending_;
  std::map<std::size_t, std::size_t> taken_;  // offset → length
  std::atomic<std::size_t> in_use_ = 0, peak_ = 0, limit_ = room;
};

/// The queue beside. Threads that have not entered the device would work on another one, which is
/// told where they use it.
class QueueBeside final : public Memory {
 public:
  explicit QueueBeside(ClosedMemory& device) : device_(device) {}
  void* stream() const override {
    static char token;
    return &token;
  }
  void enter_thread() override { inside = true; }
  static bool is_inside() { return inside; }

  void* allocate(std::size_t bytes) override { return here().allocate(bytes); }
  void release(void* pointer, std::size_t bytes) noexcept override {
    device_.release(pointer, bytes);
  }
  void fill_zero(void* pointer, std::size_t bytes) override { here().fill_zero(pointer, bytes); }
  bool is_host() const override { return false; }
  void copy_in(void* target, const void* host, std::size_t bytes) override {
    here().copy_in(target, host, bytes);
  }
  void copy_out(void* host, const void* source, std::size_t bytes) override {
    here().copy_out(host, source, bytes);
  }
  void wait() override { here().wait(); }
  bool idle() override { return here().idle(); }
  std::size_t bytes_in_use() const override { return device_.bytes_in_use(); }
  std::size_t peak_bytes() const override { return device_.peak_bytes(); }

 private:
  ClosedMemory& here() const {
    expects(is_inside(), "a thread enters the device before it asks for anything");
    return device_;
  }
  ClosedMemory& device_;
  static thread_local bool inside;
};

/// The thread that opens the device is inside; it is the one that all static objects are made by.
thread_local bool QueueBeside::inside = std::this_thread::get_id() == opening_thread;

std::unique_ptr<Memory> ClosedMemory::beside(bool) { return std::make_unique<QueueBeside>(*this); }

ClosedMemory& closed_memory() {
  static ClosedMemory memory;
  return memory;
}

template <bool libraries>
struct Opening {
  static const kernels::Kernels& inner() {
    return libraries ? *libraries_on_host_kernels() : *cuda_on_host_kernels();
  }
  static void before() {
    expects(QueueBeside::is_inside(), "a thread enters the device before it starts kernels");
    closed_memory().open();
  }
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

DeviceCalls calls_of_device_on_host() { return closed_memory().calls(); }

void forget_peak_of_device_on_host() { closed_memory().forget_peak(); }

void copy_on_device_on_host(void* target, const void* source, std::size_t bytes) {
  closed_memory().copy(target, source, bytes);
}

void set_pace_of_device_on_host(Pace now) { pace = now; }

std::optional<SharedAllocation> share_of_device_on_host(const void* pointer) {
  return closed_memory().share(pointer);
}

void limit_device_on_host(std::size_t more) {
  ClosedMemory& memory = closed_memory();
  memory.limit(more == 0 ? ~std::size_t{0} : memory.bytes_in_use() + more);
}

}  // namespace causeway::testing
