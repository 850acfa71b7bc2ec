// What a library works with on each stream of the device: made at the first use of the stream.
#pragma once

#include <cuda_runtime.h>

#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace causeway::kernels::CAUSEWAY_DEVICE {

/// Streams work beside each other, each with a `State` of its own that has a lock of its own. It
/// stays when its stream is destroyed: one that gets the same name later takes it over.
template <class State>
class StreamStates {
 public:
  /// The state of a stream, made of `made_of` if there is none.
  template <class... MadeOf>
  State& of(cudaStream_t stream, MadeOf&&... made_of) {
    const std::lock_guard lock(mutex_);
    auto& found = states_[stream];
    if (found == nullptr) found = std::make_unique<State>(stream, std::forward<MadeOf>(made_of)...);
    return *found;
  }

  template <class Do>
  void for_each(Do what) {
    const std::lock_guard lock(mutex_);
    for (const auto& [stream, state] : states_) {
      if (state != nullptr) what(*state);
    }
  }

 private:
  std::mutex mutex_;
  std::map<cudaStream_t, std::unique_ptr<State>> states_;
};

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
