// What NVIDIA's libraries do in place of plain kernels, and what they need of kernels of ours.
#pragma once

#include "kernels/kernels.hpp"

namespace causeway::kernels {

/// Why a library cannot be used, or null if it can. A build without it has no problem: there the
/// plain kernels stay, as CMake and `causeway --version` say.
const char* cublaslt_problem();
const char* cudnn_problem();

namespace cuda {
/// Linear layers of `backend` are those of cuBLASLt from now on.
void use_cublaslt(Kernels& backend);
/// Attention and convolutions of `backend` are those of cuDNN from now on, where it has them.
void use_cudnn(Kernels& backend);
}  // namespace cuda
namespace cuda_on_host {
void use_cublaslt(Kernels& backend);
void use_cudnn(Kernels& backend);
}  // namespace cuda_on_host

#ifdef CAUSEWAY_DEVICE
namespace CAUSEWAY_DEVICE {

/// sum += (update + bias)·gate, and the LayerNorm of that sum: what no epilogue of cuBLASLt does.
/// The update lies in the norm's y, which becomes the norm; bias (or null) and gate [n]; sum [rows,
/// n] f32 is the norm's x.
Status add_gated_norm(const float* bias, const float* gate, View sum, const LayerNormArgs& norm,
                      Stream);

/// bias [keys] = 0, …, 0, last: what cuDNN's attention adds to its scores.
Status fill_last_key_bias(float* bias, std::int64_t keys, float last, Stream);

/// Attention over parts of the keys, on its way to that over all of them:
/// y = Σ_p exp(lse_p − m)·o_p / Σ_p exp(lse_p − m) with m = max_p lse_p, summed in f32.
struct AttentionParts {
  const void* parts = nullptr;  ///< o [count, queries, heads, head_dim] bf16
  /// [count, heads, queries]: ln Σ exp(score) over the keys of a part, −∞ where it has none.
  const float* lse = nullptr;
  std::int64_t count = 0, queries = 0, heads = 0, head_dim = 0;
  void* y = nullptr;  ///< [queries, heads, head_dim] bf16, at multiples of 16 bytes as `parts`
  std::int64_t y_token_stride = 0, y_head_stride = 0;
};
Status merge_attention_parts(const AttentionParts&, Stream);

/// lengths [2, parts] = the queries of each part, all of them, and then the keys of each.
Status fill_part_lengths(std::int32_t* lengths, std::int64_t parts, std::int64_t queries,
                         std::int64_t keys, std::int64_t part_keys, Stream);

/// Weight [out, kt, kh, kw, in] of the compute type and bias [out] f32 (or null) of a convolution
/// of the plain kernels, on the device.
struct ConvolutionWeights {
  const void* weight = nullptr;
  const float* bias = nullptr;
};
ConvolutionWeights weights_of(const Conv*);

}  // namespace CAUSEWAY_DEVICE
#endif

}  // namespace causeway::kernels
