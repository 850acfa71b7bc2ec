// The causal Wan DiT under sequence parallelism: weights, per-prompt context, and one pass over a
// chunk.
#pragma once

#include <memory>
#include <vector>

#include "comm/comm.hpp"
#include "model/kv_cache.hpp"
#include "model/modulation.hpp"
#include "model/sequence_parallel.hpp"
#include "model/transformer_config.hpp"
#include "ops/ops.hpp"

namespace causeway {

/// Keys and values of one prompt for the cross-attention of every layer. The rows of the context
/// beyond the prompt are all zero before the text MLP, hence all equal after it: they are kept as
/// one key whose score gets + ln(number of such rows), which is exact in real arithmetic.
struct TextContext {
  std::vector<KvStorage> layers;  ///< all heads; `keys` slots
  std::int64_t keys = 0;
  float last_key_bias = 0.0f;
  std::size_t bytes() const;
};

/// One chunk of one video as a rank sees it.
struct ChunkPlace {
  std::int64_t first_frame = 0;  ///< absolute latent frame
  std::int64_t frames = 0;
  std::int64_t rows = 0, columns = 0;  ///< tokens per latent frame = rows·columns
  std::int64_t tokens() const { return frames * rows * columns; }
  std::int64_t first_token() const { return first_frame * rows * columns; }
};

/// Buffers and tables for passes over one chunk; all passes use them, and later chunks of that
/// size.
class ChunkPass {
 public:
  ChunkPass(const Ops& ops, const TransformerConfig& config, const ChunkPlace& place,
            const RankGrid& grid, ElementType compute);
  /// Goes on to the chunk that starts at this latent frame; allocates nothing on the device.
  void move_to(const Ops& ops, std::int64_t first_frame);
  const ChunkPlace& place() const { return place_; }
  const ChunkLayout& layout() const { return layout_; }
  std::int64_t own_tokens() const { return layout_.own().count; }
  std::size_t bytes() const;

 private:
  friend class Transformer;
  Tensor rope_rows() const;
  ChunkPlace place_;
  ChunkLayout layout_;
  std::int64_t head_dim_;
  Tensor cos_sin_;                                        // [own tokens, head_dim/2, 2]
  Tensor residual_;                                       // [own tokens, width] f32
  Tensor normed_, projected_, attended_;                  // [own tokens, width] compute type
  Tensor hidden_;                                         // [own tokens, ffn] compute type
  Tensor patches_;                                        // [own tokens, patch inputs] compute type
  Tensor send_, receive_, output_send_, output_receive_;  // see ChunkLayout
};

/// The weights of one transformer and its forward pass. One object per rank; all ranks of a job
/// group call `forward` together with the same arguments but their own tokens.
class Transformer {
 public:
  /// Checks every tensor of `store`, then converts one after the other. Throws Error(input).
  Transformer(const TensorStore& store, const TransformerConfig& config, const Ops& ops,
              ElementType compute);
  Transformer(const Transformer&) = delete;
  Transformer& operator=(const Transformer&) = delete;

  const TransformerConfig& config() const { return config_; }
  ElementType compute() const { return compute_; }
  std::size_t weight_bytes() const;

  /// context [n, text_dim] f32 in the host's memory (n ≤ text_length; the text encoder's rows) →
  /// cross-attention K, V.
  TextContext make_text_context(ConstView context) const;

  /// A cache for this rank's heads.
  KvCache make_cache(std::int64_t capacity_tokens, std::int64_t sink_tokens,
                     const RankGrid& grid) const;

  /// Makes what passes at this timestep need, which otherwise the first of them does.
  void prepare(double timestep) { modulation_.at(timestep); }

  /// One pass. x [own tokens, patch inputs] f32, channel-major patches → v [own tokens, patch
  /// outputs] f32, patch-position-major, the predicted flow. K and V of the chunk are written to
  /// their cache slots. Without v (null) the pass only leaves the cache behind: it stops after the
  /// last layer's K and V. Of a group of several ranks, `group.memory()` is this transformer's.
  void forward(ChunkPass& pass, double timestep, const TextContext& text, KvCache& cache,
               Communicator& group, const float* x, float* v);

  /// Seconds that this rank has spent in exchanges, waiting included; where they run on a device
  /// beside the host, until they were handed over.
  double exchange_seconds() const { return exchange_seconds_; }

 private:
  struct Block {
    LinearWeight query, key, value, out;
    LinearWeight cross_query, cross_out;
    LinearWeight ffn_in, ffn_out;
    Tensor norm_query, norm_key, cross_norm_query;  // [width] f32
    Tensor cross_scale, cross_shift;  // [width] f32, the affine norm before cross-attention
  };
  Block load_block(std::int64_t layer) const;
  LinearWeight load_linear(const std::string& name, std::int64_t outputs,
                           std::int64_t inputs) const;
  Tensor load_vector(const std::string& name) const;

  /// The norm that a layer begins with, or, after the last one, that of the head.
  LayerNorm norm_of_layer(std::int64_t layer, const ModulationTable& table) const;
  /// `which` as in ChunkLayout: q (0), k (1) or v (2), into its part of the send buffer.
  void project(ChunkPass& pass, const Block& block, int which) const;
  void project_and_exchange(ChunkPass& pass, const Block& block, Communicator& group,
                            bool with_query);
  void store_keys_and_values(ChunkPass& pass, std::int64_t layer, KvCache& cache) const;
  void attend(ChunkPass& pass, std::int64_t layer, KvCache& cache) const;
  void collect_outputs(ChunkPass& pass) const;
  void self_attention(ChunkPass& pass, std::int64_t layer, const ModulationTable& table,
                      KvCache& cache, Communicator& group, bool stop_after_cache);
  void cross_attention(ChunkPass& pass, std::int64_t layer, const ModulationTable& table,
                       const TextContext& text) const;
  void feed_forward(ChunkPass& pass, std::int64_t layer, const ModulationTable& table) const;
  /// Does what `work` asks of a group of several ranks; its time is one of exchanges.
  template <class Work>
  void timed(const Communicator& group, Work&& work);

  const TensorStore* store_;
  TransformerConfig config_;
  const Ops* ops_;
  ElementType compute_;
  LinearWeight patch_embedding_, head_;
  std::vector<Block> blocks_;
  Modulation modulation_;
  double exchange_seconds_ = 0;
};

}  // namespace causeway
