// The face of lib/model: the networks of one checkpoint, ready to run.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "checkpoint/checkpoint.hpp"
#include "model/text_encoder.hpp"
#include "model/tokenizer.hpp"
#include "model/transformer.hpp"
#include "model/vae.hpp"
#include "model/vae_decoder.hpp"
#include "model/vae_encoder.hpp"
#include "ops/backend.hpp"
#include "ops/ops.hpp"

namespace causeway {

/// Rows that the text encoder gives for one prompt.
struct EncodedPrompt {
  Tensor context;                ///< [n, text_dim] f32, real tokens only
  std::int64_t full_length = 0;  ///< tokens before truncation
  bool truncated = false;
};

/// One checkpoint. Opening maps the files and reads headers; each network is checked and converted
/// when it is first asked for, so that a rank pays for what it runs. All members throw
/// Error(input).
class Model {
 public:
  /// `compute` is bf16 or f32; see open_checkpoint for the paths.
  Model(const std::string& path, const std::string& transformer_file, ElementType compute,
        const Ops& ops);

  const Ops& ops() const { return ops_; }
  ElementType compute() const { return compute_; }
  const CheckpointFolder& folder() const { return folder_; }

  const TransformerConfig& transformer_config() const { return transformer_config_; }
  const VaeConfig& vae_config() const { return vae_config_; }

  /// From now on weights are looked at for their shapes alone, so nothing is read ahead.
  void read_shapes_alone();

  /// Whether there is a VAE encoder to go on from given videos with.
  bool can_encode() const { return has_vae_encoder(*folder_.vae); }

  /// Names and shapes of all tensors of transformer and VAE, without reading them.
  void check() const;
  Transformer& transformer();
  VaeDecoder& vae_decoder();
  /// The verbs that the decoder is made of: on a device they have a queue to themselves, so that it
  /// can run beside all else.
  const Ops& decoder_ops();
  /// Before the decoder is made: whether its work comes first on a device that both want. A rank
  /// that works alone does best so, as frames are what somebody waits for; one of a group would
  /// keep the others waiting in exchanges.
  void set_decoder_first(bool first) { decoder_first_ = first; }
  /// Gives the memory of the decoder's last video back, if there is a decoder.
  void end_decoding();
  VaeEncoder& vae_encoder();
  /// Opens tokenizer and text encoder ahead of the first prompt.
  void prepare_text();
  /// Reads the text encoder's matrices and keeps them on the device; else they are streamed.
  void keep_text_weights();
  /// Cleans, tokenizes and encodes. The last prompts are remembered (256 MB of them), so that each
  /// distinct prompt is encoded once; the reference holds until the next call.
  const EncodedPrompt& encode_prompt(const std::string& prompt);
  /// How often the text encoder has run.
  std::int64_t prompts_encoded() const { return prompts_encoded_; }

  /// Bytes of converted weights that are resident now.
  std::size_t weight_bytes() const;

 private:
  Ops ops_;
  ElementType compute_;
  CheckpointFolder folder_;
  TransformerConfig transformer_config_;
  VaeConfig vae_config_;
  std::unique_ptr<Transformer> transformer_;
  bool decoder_first_ = true;
  std::unique_ptr<Memory> decoder_memory_;  // null: that of `ops_`
  std::optional<Ops> decoder_ops_;
  std::unique_ptr<VaeDecoder> vae_decoder_;
  std::unique_ptr<VaeEncoder> vae_encoder_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<TextEncoder> text_encoder_;
  std::list<std::pair<std::string, EncodedPrompt>> encoded_;  // newest first
  std::size_t encoded_bytes_ = 0;
  std::int64_t prompts_encoded_ = 0;
};

/// XXH3-128 over the names and bytes of all files of the transformer, VAE and text encoder, as 32
/// hex digits: what a sample was made with. Reads every byte once.
std::string checkpoint_hash(const CheckpointFolder& folder);

}  // namespace causeway
