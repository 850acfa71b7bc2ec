// A stream of CUDA beside the one that all other work of a rank goes to.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <type_traits>

#include "core/error.hpp"

namespace causeway {

/// One more stream of the current device, and how it and the main stream, that of kernels, copies
/// and plain exchanges, wait for each other.
class SideStream {
 public:
  /// Throws Error(device).
  explicit SideStream(cudaStream_t main) : main_(main) {
    // First among those whose kernels could start: an exchange wants few multiprocessors, but
    // would get them only when a product that fills the GPU has come to its end.
    int least = 0, greatest = 0;
    check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "asking for streams' priorities");
    cudaStream_t stream = nullptr;
    // Of the kind that does not wait for the legacy default stream by itself.
    check(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, greatest),
          "making a stream");
    stream_.reset(stream);
    make_event(asked_);
    make_event(done_);
  }

  cudaStream_t get() const { return stream_.get(); }
  /// What is asked of this stream from now on waits for all that the main stream was asked for.
  void follow_main_stream() { let_wait(stream_.get(), main_, asked_.get()); }
  /// What is asked of the main stream from now on waits for all that this stream was asked for.
  void lead_main_stream() { let_wait(main_, stream_.get(), done_.get()); }
  /// Whether all that this stream was asked for is done; throws Error(device) if it failed.
  bool idle() const {
    const cudaError_t state = cudaStreamQuery(stream_.get());
    if (state != cudaErrorNotReady) check(state, "an exchange beside other work");
    return state == cudaSuccess;
  }

 private:
  template <auto destroy>
  struct Destroy {
    template <class Object>
    void operator()(Object* object) const {
      destroy(object);
    }
  };
  using Stream = std::unique_ptr<std::remove_pointer_t<cudaStream_t>, Destroy<cudaStreamDestroy>>;
  using Event = std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, Destroy<cudaEventDestroy>>;

  static void check(cudaError_t error, const char* what) {
    require(error == cudaSuccess, ExitCode::device, "CUDA: {} failed ({}: {})", what,
            cudaGetErrorName(error), cudaGetErrorString(error));
  }
  static void make_event(Event& event) {
    cudaEvent_t made = nullptr;
    check(cudaEventCreateWithFlags(&made, cudaEventDisableTiming), "making an event");
    event.reset(made);
  }
  /// A wait is for the event's last record before it, so one event serves again and again.
  static void let_wait(cudaStream_t later, cudaStream_t earlier, cudaEvent_t event) {
    check(cudaEventRecord(event, earlier), "recording an event");
    check(cudaStreamWaitEvent(later, event, 0), "letting a stream wait");
  }

  cudaStream_t main_;
  Stream stream_;
  Event asked_, done_;  // on the main stream, on this one
};

}  // namespace causeway
