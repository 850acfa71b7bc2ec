// cuDNN on this process's device. Calls on different streams may come from different threads; they
// do not wait for each other.
#pragma once

#include <string>

#include "kernels/cudnn_graphs.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

/// Starts attention on the stream; `tensors.bias` is the library's own affair: where the shape has
/// a bias it is `last_key_bias` for the last key and 0 for the others. The first call for a shape
/// looks for the fastest of its plans, also in parts of the keys: it compiles, tries them with
/// these tensors, allocates and waits. `unsupported_type` where the library has no plan.
Status cudnn_attention(const AttentionShape& shape, AttentionTensors tensors, float last_key_bias,
                       Stream stream);

/// Finds the fastest plan of a convolution on a stream by trying all of them there; allocates.
/// `unsupported_type` where the library has none.
Status cudnn_prepare(const ConvolutionShape& shape, Stream stream);

/// Starts a convolution for whose shape `cudnn_prepare` said `ok` on this stream.
Status cudnn_convolve(const ConvolutionShape& shape, const ConvolutionTensors& tensors,
                      Stream stream);

/// A convolution begins or ends to exist; with the last one the plans of all of them go.
void cudnn_join();
void cudnn_leave();

/// Kernels::choices and Kernels::use_choices of the plans of attention and convolutions.
std::string cudnn_choices();
void cudnn_use_choices(const std::string& text);

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
