// One task at a time on a thread of its own, beside whoever asks for it.
#pragma once

#include <exception>
#include <future>
#include <utility>

namespace causeway {

/// What a task throws comes out of the next `run` or `wait`. The destructor waits for the task and
/// forgets what it threw.
class Beside {
 public:
  Beside() = default;
  Beside(Beside&&) = default;
  Beside& operator=(Beside&&) = default;
  ~Beside() { abandon(); }

  /// Waits for the task before; then `task` begins, and this returns.
  template <class Task>
  void run(Task&& task) {
    wait();
    running_ = std::async(std::launch::async, std::forward<Task>(task));
  }
  /// Returns when the task is done.
  void wait() {
    if (running_.valid()) running_.get();
  }
  void abandon() noexcept {
    if (!running_.valid()) return;
    running_.wait();
    running_ = {};
  }

 private:
  std::future<void> running_;
};

}  // namespace causeway
