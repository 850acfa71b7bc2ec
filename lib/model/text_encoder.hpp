// The umT5 encoder: token ids to hidden states.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "ops/ops.hpp"

namespace causeway {

/// What tells one umT5 encoder from another; there are no defaults for sizes.
struct TextEncoderConfig {
  std::int64_t vocab = 0;  ///< rows of the embedding table
  std::int64_t width = 0;  ///< of the hidden states
  std::int64_t heads = 0, head_dim = 0;
  std::int64_t ffn = 0;  ///< inner width of the gated feed-forward part
  std::int64_t layers = 0;
  std::int64_t buckets = 32;  ///< relative positions, both directions together
  std::int64_t max_distance = 128;
  float eps = 1e-6f;
};

/// From the text of a transformers configuration, or, if that is empty, from the shapes of the
/// tensors. Throws Error(input): a wrong or missing key, another kind of T5, shapes that fit no
/// umT5 encoder.
TextEncoderConfig text_encoder_config(const TensorStore& store, const std::string& json);

/// Name → shape of every tensor, in the original naming.
std::map<std::string, std::vector<std::int64_t>> text_encoder_tensor_shapes(
    const TextEncoderConfig& config);

/// Bucket of `distance` = key − query in a bidirectional T5 (Raffel et al. 2020; logarithm in
/// float32).
std::int64_t relative_position_bucket(std::int64_t distance, std::int64_t buckets,
                                      std::int64_t max_distance);

/// Where the encoder's big matrices are: `streamed`, neither copied nor kept, but read from the
/// mapped file, converted panel by panel, and their pages let go after each layer; or `resident` on
/// the device, which takes 9 GiB for umT5-XXL in bf16 and spares their way to it at every prompt.
enum class TextWeights { streamed, resident };

/// The encoder of one checkpoint.
class TextEncoder {
 public:
  /// `compute` (f32 or bf16) is the type of the products' inputs; the stream between layers is f32.
  /// `store` and `ops` must outlive the encoder. Throws Error(input) if the tensors are not those
  /// of `config`.
  TextEncoder(const TensorStore& store, const TextEncoderConfig& config, const Ops& ops,
              ElementType compute);

  const TextEncoderConfig& config() const { return config_; }
  /// Reads the matrices and keeps them on the device from now on.
  void keep_matrices();
  /// Hidden states [n, width], f32, in the host's memory, of the n ≥ 1 real tokens `ids` (no
  /// padding: attention sees these only). Throws Error(input) if an id has no row in the embedding
  /// table.
  Tensor encode(const std::vector<std::int32_t>& ids) const;
  /// Resident copies: norm weights and bias tables, and the matrices where they are.
  std::size_t weight_bytes() const;

 private:
  struct Layer {
    Tensor norm1, norm2;  // [width] f32
    Tensor bias;          // [buckets, heads] f32, in the host's memory
  };
  struct Buffers;

  void prefetch_layer(std::int64_t layer) const;
  Tensor embed(const std::vector<std::int32_t>& ids) const;
  Tensor relative_bias(const Layer& layer, std::int64_t tokens) const;
  void attend(std::int64_t layer, Buffers& buffers, View x) const;
  void feed_forward(std::int64_t layer, Buffers& buffers, View x) const;
  void linear(ConstView x, const std::string& name, View y,
              Activation activation = Activation::none) const;

  const TensorStore* store_;
  TextEncoderConfig config_;
  const Ops* ops_;
  ElementType compute_;
  std::vector<Layer> layers_;
  std::map<std::string, LinearWeight> matrices_;  // by name, where they are resident
  Tensor final_norm_;                             // [width] f32
};

}  // namespace causeway
