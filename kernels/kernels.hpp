// The catalogue: one struct with a function pointer per kernel is one backend.
//
// Kernels take borrowed views and an opaque stream. They never throw or log, and never allocate,
// save where a comment says so (a convolution makes its plan once, outside the loop). Row results
// of a `deterministic` backend never depend on how many rows a call has: sums run in an order fixed
// by the row's own shape (law of distribution).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/view.hpp"

namespace causeway::kernels {

/// What a kernel answers; anything but `ok` means that nothing useful was written.
enum class Status : std::uint8_t { ok, unsupported_type, bad_shape, backend_failure };

/// Device queue (a CUDA stream); null on the CPU, where every call has finished when it returns.
/// Threads may call kernels at once, each on a stream of its own; a convolution is one thread's. A
/// stream is destroyed when its work is done.
using Stream = void*;

enum class Activation : std::uint8_t { none, gelu_tanh, silu };

/// y = activation(x·Wᵀ + bias), or, with `accumulate`, y += activation(x·Wᵀ + bias)·gate.
struct LinearArgs {
  ConstView x;  ///< [rows, k] of type `compute`; last axis contiguous, row stride free
  const void* weight = nullptr;            ///< packed by `linear_pack` for (n, k, compute)
  std::int64_t n = 0, k = 0;               ///< outputs, inputs
  ElementType compute = ElementType::f32;  ///< f32 or bf16 (fp32 accumulation in both)
  const float* bias = nullptr;             ///< [n] or null
  Activation activation = Activation::none;
  bool accumulate = false;      ///< add into y, which must be f32
  const float* gate = nullptr;  ///< [n] or null (ones); only with `accumulate`
  View y;                       ///< [rows, n], f32 or bf16; last axis contiguous, row stride free
};

/// The same product with a weight as it lies in a checkpoint: converted and packed panel by panel.
/// Bit-identical with `linear` on the same values where the backend is deterministic.
struct LinearStoredArgs {
  ConstView x;       ///< [rows, k] of type `compute`
  ConstView weight;  ///< [n, k] contiguous, f32, f16 or bf16, any alignment
  ElementType compute = ElementType::f32;
  const float* bias = nullptr;
  Activation activation = Activation::none;
  void* workspace =
      nullptr;  ///< `linear_stored_workspace(k, compute)` bytes, asked for with the same
                ///< number of threads as the call has (each packs a panel of its own)
  View y;       ///< [rows, n], f32 or bf16
};

/// A cache of keys and values for `heads` heads; its inner layout is the backend's own secret.
/// Memory must have been cleared (or hold finite numbers) before its first use; bf16 wants an even
/// head_dim.
struct KvLayout {
  std::int64_t heads = 0, head_dim = 0;
  std::int64_t capacity = 0;  ///< slots (tokens)
  ElementType type = ElementType::f32;
};

/// Writes tokens into slots [slot, slot + tokens).
struct KvStoreArgs {
  KvLayout layout;
  void* cache = nullptr;
  ConstView k, v;  ///< [tokens, heads, head_dim], type layout.type, last axis contiguous
  std::int64_t slot = 0;
};

/// Reads slots back as f32 (for tests and inspection).
struct KvLoadArgs {
  KvLayout layout;
  const void* cache = nullptr;
  std::int64_t slot = 0;
  View k, v;  ///< [tokens, heads, head_dim], f32
};

/// softmax(scale·q·Kᵀ)·V over slots [0, valid), per head. Keys are summed in slot order in fixed
/// blocks.
struct AttentionArgs {
  KvLayout layout;
  const void* cache = nullptr;
  std::int64_t valid = 0;      ///< ≥ 1; what other slots hold does not matter if it is finite
  float scale = 1.0f;          ///< > 0
  float last_key_bias = 0.0f;  ///< added to the scaled score of slot valid − 1
  ConstView q;                 ///< [tokens, heads, head_dim] of layout.type, last axis contiguous
  View y;                      ///< [tokens, heads, head_dim], f32 or bf16, last axis contiguous
};

/// T5 attention: softmax(q·kᵀ + relative_bias)·v, no scale, fp32 softmax.
struct BiasedAttentionArgs {
  ConstView q, k, v;  ///< [tokens, heads, head_dim], f32 or bf16, last axis contiguous
  const float* relative_bias =
      nullptr;  ///< [heads, 2·tokens − 1]; entry (key − query + tokens − 1)
  View y;       ///< [tokens, heads, head_dim], f32 or bf16
};

/// y = LN(x)·scale + shift, or LN(x)·(1 + scale) + shift; biased variance; statistics in fp32 or
/// better.
struct LayerNormArgs {
  ConstView x;                   ///< [rows, width], f32
  const float* scale = nullptr;  ///< [width]
  const float* shift = nullptr;  ///< [width]
  bool one_plus_scale = false;
  float eps = 1e-6f;
  View y;  ///< [rows, width], f32 or bf16
};

/// y = x / sqrt(mean(x²) + eps)·weight.
struct RmsNormArgs {
  ConstView x;                    ///< [rows, width], f32
  const float* weight = nullptr;  ///< [width]
  float eps = 1e-6f;
  View y;  ///< [rows, width], f32 or bf16
};

/// One pass: RMSNorm over the full width (optional), rotary embedding (optional), and the write
/// into the send buffer, head group by head group: element (token t, head h of group g, i) goes to
/// y[g·group_stride + (t·heads_per_group + h)·head_dim + i].
struct NormRopePackArgs {
  ConstView x;                    ///< [tokens, heads·head_dim], f32 or bf16; row stride free
  const float* weight = nullptr;  ///< [heads·head_dim], or null: no norm
  float eps = 1e-6f;
  const float* cos_sin = nullptr;  ///< [tokens, head_dim/2, 2] (cos, sin), or null: no rotation
  std::int64_t heads = 0, head_dim = 0;
  std::int64_t head_groups = 1;  ///< divides heads; group g owns heads [g·heads/groups, …)
  void* y = nullptr;
  ElementType y_type = ElementType::f32;  ///< f32 or bf16
  std::int64_t group_stride = 0;          ///< elements
};

/// Shape of one chunk of latents and its patches: token (f, y, x) is at (f·rows + y)·columns + x.
struct PatchGeometry {
  std::int64_t channels = 0, frames = 0, height = 0,
               width = 0;  ///< latents [channels, frames, height, width]
  std::int64_t patch_height = 2, patch_width = 2;
  constexpr std::int64_t rows() const { return height / patch_height; }
  constexpr std::int64_t columns() const { return width / patch_width; }
  constexpr std::int64_t tokens() const { return frames * rows() * columns(); }
  constexpr std::int64_t patch() const { return patch_height * patch_width; }
  constexpr std::int64_t token_width() const { return channels * patch(); }
};

/// Standard normal numbers for tokens [first_token, first_token + tokens) of a chunk. Component
/// c·patch + dy·patch_width + dx of a token is element (c, f, y, x) of the unsplit tensor, whose
/// flat row-major index is the Philox counter.
struct NoiseArgs {
  std::uint64_t key = 0;  ///< from `noise_key` (kernels/noise.hpp)
  PatchGeometry geometry;
  std::int64_t first_token = 0, tokens = 0;
  float* y = nullptr;  ///< [tokens, token_width], channel-major patches
};

/// x0 = x − sigma·v in float64, rounded to float32. `v` comes from the head in patch-position-major
/// order
/// ((dy·patch_width + dx)·channels + c); x and x0 are channel-major.
struct FlowToX0Args {
  PatchGeometry geometry;
  std::int64_t tokens = 0;
  float sigma = 0.0f;
  const float* x = nullptr;  ///< [tokens, token_width]
  const float* v = nullptr;  ///< [tokens, token_width]
  float* x0 = nullptr;       ///< [tokens, token_width]; may be x
};

/// x = (1 − sigma)·x0 + sigma·noise, each operation rounded to float32 on its own (no fused
/// multiply-add).
struct RenoiseArgs {
  std::int64_t count = 0;
  float sigma = 0.0f;
  const float* x0 = nullptr;
  const float* noise = nullptr;
  float* x = nullptr;  ///< may be x0 or noise
};

/// Between latents [channels, frames, height, width] (f32) and channel-major tokens (f32).
struct PatchArgs {
  PatchGeometry geometry;
  std::int64_t first_token = 0, tokens = 0;  ///< the tokens held in `tokens_data`
  const float* source = nullptr;
  float* target = nullptr;
};

/// VAE norm: y = x / max(‖x‖₂, 1e-12)·√channels·gamma over the last axis, then SiLU if asked.
struct GammaNormArgs {
  ConstView x;                   ///< [rows, channels], f32 or bf16
  const float* gamma = nullptr;  ///< [channels]
  bool silu = false;
  View y;  ///< [rows, channels], f32 or bf16
};

/// A 3-D convolution over channels-last data [time, height, width, channels], zero padding as
/// given.
struct ConvSpec {
  std::int64_t in_channels = 0, out_channels = 0;
  std::array<std::int64_t, 3> kernel{1, 1, 1}, stride{1, 1, 1};
  std::array<std::int64_t, 3> pad_before{0, 0, 0}, pad_after{0, 0, 0};
  ElementType compute = ElementType::f32;  ///< type of x and y: f32 or bf16
};
struct Conv;  ///< opaque: packed weights and the plans made so far

/// Between f32 latents or frames [channels, time, height, width] and channels-last data of the
/// VAE's type: to channels-last y = x·scale + shift; to channels-first y = (x + shift)·scale. Null
/// means 1 and 0.
struct ChannelArgs {
  ConstView x;
  const float* scale = nullptr;  ///< [channels]
  const float* shift = nullptr;  ///< [channels]
  View y;
};

/// One backend. Every pointer is set.
struct Kernels {
  const char* name;  ///< e.g. "cpu-avx512bf16"
  bool native_bf16;  ///< bf16 products run on bf16 instructions
  /// The bits of a row never depend on the other rows of a call.
  bool deterministic;

  // Matrix products.
  std::size_t (*linear_packed_bytes)(std::int64_t n, std::int64_t k, ElementType compute);
  Status (*linear_pack)(ConstView weight /* [n, k] f32|f16|bf16 */, ElementType compute,
                        void* packed, Stream);
  /// Where a library has several algorithms, the first call for a shape tries them: it allocates
  /// and waits.
  Status (*linear)(const LinearArgs&, Stream);
  /// y += (x·Wᵀ + bias)·gate, and the LayerNorm of that y, which is the norm's x. It may be one
  /// pass that has the product in the norm's y meanwhile: this must share no memory with the linear
  /// layer's x.
  Status (*linear_norm)(const LinearArgs&, const LayerNormArgs&, Stream);
  std::size_t (*linear_stored_workspace)(std::int64_t k, ElementType compute);
  Status (*linear_stored)(const LinearStoredArgs&, Stream);

  // Attention.
  std::size_t (*kv_bytes)(const KvLayout&);
  Status (*kv_clear)(const KvLayout&, void* cache, Stream);
  Status (*kv_store)(const KvStoreArgs&, Stream);
  Status (*kv_load)(const KvLoadArgs&, Stream);
  Status (*attention)(const AttentionArgs&, Stream);  ///< tries algorithms as `linear` does
  Status (*biased_attention)(const BiasedAttentionArgs&, Stream);

  // Norms.
  Status (*layer_norm)(const LayerNormArgs&, Stream);
  Status (*rms_norm)(const RmsNormArgs&, Stream);
  Status (*norm_rope_pack)(const NormRopePackArgs&, Stream);
  Status (*gamma_norm)(const GammaNormArgs&, Stream);

  // Element by element; x and y have equal shape, contiguous, f32 or bf16 each (convert: f16 too,
  // and the rows of two matrices may lie apart).
  Status (*add)(ConstView a, ConstView b, View y, Stream);
  Status (*multiply)(ConstView a, ConstView b, View y, Stream);
  Status (*convert)(ConstView x, View y, Stream);

  // Diffusion.
  Status (*noise)(const NoiseArgs&, Stream);
  Status (*flow_to_x0)(const FlowToX0Args&, Stream);
  Status (*renoise)(const RenoiseArgs&, Stream);
  Status (*patchify)(const PatchArgs&, Stream);    ///< latents → the given tokens
  Status (*unpatchify)(const PatchArgs&, Stream);  ///< the given tokens → their places in latents

  // VAE.
  Conv* (*conv_create)(
      const ConvSpec&, ConstView weight /* [out, in, kt, kh, kw] */,
      ConstView bias /* [out], or null data: 0 */);  ///< null if it cannot be; allocates; its
                                                     ///< weights are there for every stream
  void (*conv_destroy)(Conv*);
  /// Makes the plan for an input of [time, height, width] on a stream; may allocate, and work and
  /// wait on that stream. Idempotent.
  Status (*conv_prepare)(Conv*, std::int64_t time, std::int64_t height, std::int64_t width, Stream);
  /// Needs the plan for the extent of x on this stream (`bad_shape` without it); x and y are
  /// contiguous.
  Status (*conv)(Conv*, ConstView x /* [t, h, w, in] */, View y /* [t', h', w', out] */, Stream);
  /// Memory that this object holds; beside is the scratch memory that all convolutions share, one
  /// block, on a device one for each stream.
  std::size_t (*conv_bytes)(const Conv*);
  Status (*upsample_nearest_2x)(ConstView x /* [t, h, w, c] */, View y /* [t, 2h, 2w, c] */,
                                Stream);
  Status (*interleave_time)(ConstView x /* [t, h, w, 2c] */, View y /* [2t, h, w, c] */, Stream);
  Status (*to_channels_last)(const ChannelArgs&, Stream);   ///< x f32 [c,t,h,w] → y [t,h,w,c]
  Status (*to_channels_first)(const ChannelArgs&, Stream);  ///< x [t,h,w,c] → y f32 [c,t,h,w]
  /// x [t, h, w, 3] f32|bf16, h and w even → y u8 [t, h·w·3/2]: of every frame the planes Y [h, w],
  /// U and V [h/2, w/2]. BT.709, limited range, chroma sited left; yuv420p.hpp has the formula. The
  /// bytes are the same on every backend; one on a device wants y at an even address.
  Status (*frames_to_yuv420p)(ConstView x, View y, Stream);
  /// x/127.5 − 1: x u8 [t, h, w, 3] → y f32|bf16 [t, h, w, 3].
  Status (*rgb8_to_frames)(ConstView x, View y, Stream);

  /// What this backend has found out about its own variants on this device, to be kept in a file
  /// for the next run; empty where it has none to choose from. A line that names device and library
  /// stands before what was found out about that library: `use_choices` takes nothing from another,
  /// nor lines that it cannot read.
  std::string (*choices)();
  void (*use_choices)(const std::string& text);

  /// Multiply-add throughput in FLOP/s of all threads of this process, registers only (a ceiling).
  double (*measure_peak)(ElementType compute);
};

/// `Kernels::choices` and `Kernels::use_choices` of a backend that has nothing to choose from.
std::string no_choices();
void use_no_choices(const std::string& text);

/// The best CPU backend for this machine; CAUSEWAY_CPU_ISA=avx512bf16|avx512|avx2|baseline narrows
/// it. Null if CAUSEWAY_CPU_ISA names something unknown or that this machine cannot run.
const Kernels* cpu_kernels();

/// A CPU backend by name, or null if not built or not runnable here.
const Kernels* cpu_kernels_named(const char* isa);

/// The CUDA backend, or null when this build has none. Where it need not be deterministic, NVIDIA's
/// libraries do what they do faster than the plain kernels.
const Kernels* cuda_kernels(bool deterministic);

/// Why those libraries cannot be used here, or null if they can.
const char* cuda_libraries_problem();

}  // namespace causeway::kernels
