// The networks of one clip with random weights, for their times alone.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <memory>

#include "bench/bench_parts.hpp"
#include "comm/comm.hpp"
#include "model/text_encoder.hpp"
#include "model/transformer.hpp"
#include "model/vae_decoder.hpp"
#include "ops/backend.hpp"

namespace causeway::testing {

/// Latents: three frames a chunk; a token is two by two of them.
struct Size {
  TransformerShape transformer;
  std::int64_t heads, text_length;
  VaeShape vae;
  TextEncoderShape text;
  std::int64_t latent_height, latent_width, chunks;
  std::size_t layers() const { return static_cast<std::size_t>(transformer.layers); }
};

constexpr std::int64_t chunk_frames = 3;
constexpr std::array timesteps{1000.0, 937.5, 833.3, 625.0};  // and a pass that fills the cache

inline Size published() {
  Size size{};
  size.transformer = {.dim = 1536,
                      .ffn_dim = 8960,
                      .layers = 30,
                      .text_dim = 4096,
                      .freq_dim = 256,
                      .channels = 16};
  size.heads = 12;
  size.text_length = 512;
  size.vae.base_dim = 96;
  size.vae.z_dim = 16;
  size.text = {.vocabulary = 1000, .width = 4096, .heads = 64, .head_dim = 64, .ffn_dim = 10240};
  size.latent_height = 60;
  size.latent_width = 104;
  size.chunks = 7;
  return size;
}

inline Size tiny() {
  Size size{};
  size.transformer.channels = 16;
  size.heads = 4;
  size.text_length = 16;
  size.vae.z_dim = 16;
  size.latent_height = 4;
  size.latent_width = 6;
  size.chunks = 2;
  return size;
}

/// The transformer over the chunks of a clip that sees all of itself.
class TransformerClip {
 public:
  TransformerClip(const Size& size, const Ops& ops, ElementType compute)
      : size_(size),
        ops_(ops),
        store_(random_weights(transformer_shapes(size.transformer), size.transformer.dim)),
        config_(read_transformer_config(
            fmt::format("{{\"num_heads\": {}, \"text_len\": {}}}", size.heads, size.text_length),
            *store_)),
        network_(*store_, config_, ops, compute),
        grid_(1, 0, config_.heads),
        context_(network_.make_text_context(
            cheap_numbers({size.text_length, config_.text_dim}, 7, 1.0f).view())),
        cache_(network_.make_cache(size.chunks * tokens(), 0, grid_)),
        pass_(ops, config_, {0, chunk_frames, size.latent_height / 2, size.latent_width / 2}, grid_,
              compute),
        x_(ops.on_device(cheap_numbers({tokens(), config_.patch_inputs()}, 9, 1.7f))),
        flow_(ops.tensor(ElementType::f32, {tokens(), config_.patch_outputs()})) {
    for (const double timestep : timesteps) network_.prepare(timestep);
    network_.prepare(0.0);
  }

  std::int64_t tokens() const {
    return chunk_frames * (size_.latent_height / 2) * (size_.latent_width / 2);
  }
  void move_to(std::int64_t chunk) { pass_.move_to(ops_, chunk * chunk_frames); }
  void denoise() {
    for (const double timestep : timesteps)
      network_.forward(pass_, timestep, context_, cache_, *solo_, x_.f32(), flow_.f32());
  }
  void refresh() { network_.forward(pass_, 0.0, context_, cache_, *solo_, x_.f32(), nullptr); }
  /// Of one chunk; the pass that fills the cache ends with the keys and values of the last block.
  double flops(std::int64_t chunk) const {
    const auto d = static_cast<double>(size_.transformer.dim);
    const auto blocks = static_cast<double>((timesteps.size() + 1) * size_.layers() - 1);
    return blocks *
               block_flops(size_.transformer, tokens(), (chunk + 1) * tokens(), context_.keys) +
           4 * d * d * static_cast<double>(tokens());
  }
  const Tensor& flow() const { return flow_; }

 private:
  Size size_;
  const Ops& ops_;
  std::unique_ptr<MapStore> store_;
  TransformerConfig config_;
  Transformer network_;
  RankGrid grid_;
  std::unique_ptr<Communicator> solo_ = make_solo_communicator();
  TextContext context_;
  KvCache cache_;
  ChunkPass pass_;
  Tensor x_, flow_;
};

/// The VAE's decoder on a queue of the device to itself, where there is one.
class VaeClip {
 public:
  VaeClip(const Size& size, const Ops& ops, ElementType compute)
      : size_(size),
        memory_(ops.memory().beside(true)),
        ops_(ops.kernels(), memory_ ? *memory_ : ops.memory()),
        store_(random_weights(vae_shapes(size.vae), 9 * size.vae.base_dim)),
        config_(vae_config(*store_, "")),
        decoder_(*store_, config_, ops_, compute),
        latents_(cheap_numbers({config_.z_dim, chunk_frames, size.latent_height, size.latent_width},
                               5, 1.0f)) {}

  const Ops& ops() const { return ops_; }
  bool is_beside() const { return memory_ != nullptr; }
  void begin() {
    decoder_.begin(size_.latent_height, size_.latent_width);
    const std::int64_t pixels = 64 * size_.latent_height * size_.latent_width;
    planes_ = ops_.tensor(ElementType::u8, {config_.temporal_stride(), pixels / 2 * 3});
  }
  /// One chunk, with its pictures in the host's memory.
  void decode() {
    decoder_.decode(latents_.view(), [&](ConstView frames) {
      const View planes = planes_.rows(0, frames.shape[0]);
      ops_.frames_to_yuv420p(frames, planes);
      ops_.downloaded(planes);
    });
  }
  /// One chunk; whether all of it is finite.
  bool decode_and_check() {
    bool fine = true;
    decoder_.decode(latents_.view(), [&](ConstView frames) {
      Tensor as_f32 =
          ops_.tensor(ElementType::f32, {frames.shape[0], frames.shape[1], frames.shape[2], 3});
      ops_.convert(frames, as_f32.view());
      fine = fine && all_finite(ops_, as_f32);
    });
    return fine;
  }

 private:
  Size size_;
  std::unique_ptr<Memory> memory_;
  Ops ops_;
  std::unique_ptr<MapStore> store_;
  VaeConfig config_;
  VaeDecoder decoder_;
  Tensor latents_, planes_;
};

}  // namespace causeway::testing
