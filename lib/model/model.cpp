// Opening a checkpoint, and making each network when it is first needed.
#include "model/model.hpp"

#include <algorithm>

#include "model/text_cleaning.hpp"

namespace causeway {
namespace {

constexpr std::size_t most_remembered_bytes = 256'000'000;

/// The store of one part, or an error that says what the folder lacks.
const TensorStore& part(const std::unique_ptr<TensorStore>& store, const CheckpointFolder& folder,
                        const char* name, const char* file) {
  require(store != nullptr, ExitCode::input,
          "checkpoint {} has no {} (looked for {}); complete the folder as it was published",
          folder.path, name, file);
  return *store;
}

}  // namespace

Model::Model(const std::string& path, const std::string& transformer_file, ElementType compute,
             const Ops& ops)
    : ops_(ops), compute_(compute), folder_(open_checkpoint(path, transformer_file)) {
  const bool diffusers = folder_.layout == Layout::diffusers;
  transformer_config_ = read_transformer_config(
      folder_.transformer_config,
      part(folder_.transformer, folder_, "transformer",
           diffusers ? "transformer/*.safetensors" : "diffusion_pytorch_model*.safetensors"));
  vae_config_ =
      causeway::vae_config(part(folder_.vae, folder_, "VAE",
                                diffusers ? "vae/*.safetensors" : "Wan2.1_VAE.pth or .safetensors"),
                           folder_.vae_config);
  require(vae_config_.z_dim == transformer_config_.in_channels, ExitCode::input,
          "checkpoint {}: the VAE has {} latent channels, the transformer takes {}; they are of "
          "different models",
          folder_.path, vae_config_.z_dim, transformer_config_.in_channels);
}

void Model::read_shapes_alone() {
  for (auto* store : {&folder_.transformer, &folder_.vae, &folder_.text_encoder}) {
    if (*store != nullptr) (*store)->read_ahead(false);
  }
}

void Model::check() const {
  folder_.transformer->check_exactly(transformer_tensor_shapes(transformer_config_));
  check_vae_tensors(*folder_.vae, vae_config_);
}

Transformer& Model::transformer() {
  if (!transformer_) {
    transformer_ =
        std::make_unique<Transformer>(*folder_.transformer, transformer_config_, ops_, compute_);
  }
  return *transformer_;
}

const Ops& Model::decoder_ops() {
  if (!decoder_ops_) {
    decoder_memory_ = ops_.memory().beside(decoder_first_);
    decoder_ops_.emplace(ops_.kernels(), decoder_memory_ ? *decoder_memory_ : ops_.memory());
  }
  return *decoder_ops_;
}

VaeDecoder& Model::vae_decoder() {
  if (!vae_decoder_)
    vae_decoder_ = std::make_unique<VaeDecoder>(*folder_.vae, vae_config_, decoder_ops(), compute_);
  return *vae_decoder_;
}

void Model::end_decoding() {
  if (vae_decoder_) vae_decoder_->end();
}

VaeEncoder& Model::vae_encoder() {
  if (!vae_encoder_)
    vae_encoder_ = std::make_unique<VaeEncoder>(*folder_.vae, vae_config_, ops_, compute_);
  return *vae_encoder_;
}

void Model::prepare_text() {
  if (text_encoder_) return;
  require(!folder_.tokenizer_folder.empty(), ExitCode::input,
          "checkpoint {} has no tokenizer (looked for a folder with tokenizer.json or "
          "spiece.model); copy the "
          "tokenizer folder of the published model into it",
          folder_.path);
  const auto& store = part(folder_.text_encoder, folder_, "text encoder",
                           folder_.layout == Layout::diffusers ? "text_encoder/*.safetensors"
                                                               : "models_t5_*.pth or .safetensors");
  const auto config = text_encoder_config(store, folder_.text_encoder_config);
  require(config.width == transformer_config_.text_dim, ExitCode::input,
          "checkpoint {}: the text encoder is {} wide, the transformer takes {}; they are of "
          "different models",
          folder_.path, config.width, transformer_config_.text_dim);
  auto tokenizer = std::make_unique<Tokenizer>(Tokenizer::open(folder_.tokenizer_folder));
  require(tokenizer->vocabulary_size() <= config.vocab, ExitCode::input,
          "checkpoint {}: tokenizer {} has {} entries, the text encoder embeds {}; they are of "
          "different models",
          folder_.path, tokenizer->file(), tokenizer->vocabulary_size(), config.vocab);
  tokenizer_ = std::move(tokenizer);
  text_encoder_ = std::make_unique<TextEncoder>(store, config, ops_, compute_);
}

void Model::keep_text_weights() {
  prepare_text();
  text_encoder_->keep_matrices();
}

const EncodedPrompt& Model::encode_prompt(const std::string& prompt) {
  const auto found = std::find_if(encoded_.begin(), encoded_.end(),
                                  [&](const auto& entry) { return entry.first == prompt; });
  if (found != encoded_.end()) {
    encoded_.splice(encoded_.begin(), encoded_, found);
    return encoded_.front().second;
  }
  prepare_text();
  const auto tokens = tokenizer_->encode(clean_prompt(prompt), transformer_config_.text_length);
  EncodedPrompt encoded;
  encoded.full_length = tokens.full_length;
  encoded.truncated = tokens.truncated;
  encoded.context = text_encoder_->encode(tokens.ids);
  ++prompts_encoded_;
  encoded_bytes_ += encoded.context.bytes();
  encoded_.emplace_front(prompt, std::move(encoded));
  while (encoded_bytes_ > most_remembered_bytes && encoded_.size() > 1) {
    encoded_bytes_ -= encoded_.back().second.context.bytes();
    encoded_.pop_back();
  }
  return encoded_.front().second;
}

std::size_t Model::weight_bytes() const {
  std::size_t total = 0;
  if (transformer_) total += transformer_->weight_bytes();
  if (vae_decoder_) total += vae_decoder_->weight_bytes();
  if (vae_encoder_) total += vae_encoder_->weight_bytes();
  if (text_encoder_) total += text_encoder_->weight_bytes();
  return total;
}

}  // namespace causeway
