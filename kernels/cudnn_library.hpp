// cuDNN on this process's device: one plan for every shape, and the memory that plans work in.
#pragma once

#include <string>

#include "kernels/cudnn_graphs.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

/// Starts attention on the stream; `tensors.bias` is the library's own affair: where the shape has
/// a bias it is `last_key_bias` for the last key and 0 for the others. The first call for a shape
/// makes its plan, which compiles, and allocates. `unsupported_type` where the library has no plan.
Status cudnn_attention(const AttentionShape& shape, AttentionTensors tensors, float last_key_bias,
                       Stream stream);

/// Finds the fastest plan of a convolution by trying all of them; allocates. `unsupported_type`
/// where the library has none.
Status cudnn_prepare(const ConvolutionShape& shape);

/// Starts a convolution for whose shape `cudnn_prepare` said `ok`.
Status cudnn_convolve(const ConvolutionShape& shape, const ConvolutionTensors& tensors,
                      Stream stream);

/// A convolution begins or ends to exist; with the last one the plans of all of them go.
void cudnn_join();
void cudnn_leave();

/// Kernels::choices and Kernels::use_choices of the convolutions' plans.
std::string cudnn_choices();
void cudnn_use_choices(const std::string& text);

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
