// cuDNN on this process's device: a state for every stream, and what was found out about its plans.
#include "kernels/cudnn_library.hpp"

#include <cuda_runtime.h>
#include <cudnn.h>

#include <exception>
#include <mutex>
#include <sstream>

#include "kernels/cudnn_stream.hpp"
#include "kernels/stream_states.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

CudnnDevice this_device() {
  int device = 0;
  CudnnDevice made;
  const auto ask = [&](int& value, cudaDeviceAttr what) {
    return cudaDeviceGetAttribute(&value, what, device) == cudaSuccess;
  };
  const bool there = cudaGetDevice(&device) == cudaSuccess &&
                     ask(made.major, cudaDevAttrComputeCapabilityMajor) &&
                     ask(made.minor, cudaDevAttrComputeCapabilityMinor) &&
                     ask(made.multiprocessors, cudaDevAttrMultiProcessorCount);
  return there ? made : CudnnDevice{};
}

/// The line that stands before what was found out.
std::string header_of(const CudnnDevice& device) {
  const std::size_t version = cudnnGetVersion();
  if (version == 0 || device.multiprocessors == 0) return {};
  std::ostringstream text;
  text << "cuDNN " << version / 10000 << '.' << version / 100 % 100 << '.' << version % 100
       << " on compute capability " << device.major << '.' << device.minor << " with "
       << device.multiprocessors << " multiprocessors";
  return text.str();
}

class Library {
 public:
  CudnnStream& on(Stream stream) {
    return streams_.of(static_cast<cudaStream_t>(stream), device_, choices_);
  }

  CudnnChoices& choices() { return choices_; }

  void join() {
    const std::lock_guard lock(mutex_);
    ++users_;
  }
  /// With the lock held to the end, so that nobody joins and prepares meanwhile.
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--users_ > 0) return;
    streams_.for_each([](CudnnStream& stream) { stream.forget_convolutions(); });
  }

 private:
  const CudnnDevice device_ = this_device();
  CudnnChoices choices_{header_of(device_)};
  StreamStates<CudnnStream> streams_;
  std::mutex mutex_;  ///< of `users_`
  int users_ = 0;     ///< convolutions that exist
};

Library& library() {
  // Never taken down: CUDA may have ended before the last destructors run.
  static Library& made = *new Library;
  return made;
}

template <class Call>
Status answer(Call call) {
  try {
    return call();
  } catch (const std::exception&) {
    return Status::backend_failure;
  }
}

}  // namespace

Status cudnn_attention(const AttentionShape& shape, AttentionTensors tensors, float last_key_bias,
                       Stream stream) {
  return answer([&] { return library().on(stream).attend(shape, tensors, last_key_bias); });
}

Status cudnn_prepare(const ConvolutionShape& shape, Stream stream) {
  return answer([&] { return library().on(stream).prepare(shape); });
}

Status cudnn_convolve(const ConvolutionShape& shape, const ConvolutionTensors& tensors,
                      Stream stream) {
  return answer([&] { return library().on(stream).convolve(shape, tensors); });
}

void cudnn_join() { library().join(); }
void cudnn_leave() { library().leave(); }

std::string cudnn_choices() { return library().choices().text(); }
void cudnn_use_choices(const std::string& text) { library().choices().take(text); }

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
