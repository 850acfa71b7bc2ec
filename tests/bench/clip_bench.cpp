// Times the parts of one clip at the published 1.3B sizes, with random weights and the networks
// alone: each chunk of the transformer, the VAE's decoder, two layers of the text encoder.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/bench_parts.hpp"
#include "comm/comm.hpp"
#include "model/text_encoder.hpp"
#include "model/transformer.hpp"
#include "model/vae_decoder.hpp"
#include "ops/backend.hpp"

namespace causeway::testing {
namespace {

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

Size published() {
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

Size tiny() {
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

void print(const std::string& what, double seconds, const std::string& more) {
  std::printf("%-46s %10.1f ms  %s\n", what.c_str(), 1e3 * seconds, more.c_str());
  std::fflush(stdout);
}

class Bench {
 public:
  Bench(const Size& size, const Ops& ops, ElementType compute)
      : size_(size), ops_(ops), compute_(compute) {}

  bool all(bool decode) {
    ceilings();
    const bool fine = transformer() && text();
    return fine && (!decode || vae());
  }

 private:
  /// What this device reaches in one large product and one large copy.
  void ceilings() {
    const std::int64_t side = size_.heads == 12 ? 8192 : 64;
    const Tensor weight = cheap_numbers({side, side}, 1, 0.01f);
    const LinearWeight packed = ops_.pack(weight.view(), {}, compute_);
    const Tensor source = ops_.on_device(cheap_numbers({side, side}, 2, 1.0f));
    Tensor x = ops_.tensor(compute_, {side, side}), y = ops_.tensor(compute_, {side, side});
    ops_.convert(source.view(), x.view());
    std::vector<double> products, copies;
    Tensor copy = ops_.tensor(ElementType::f32, {side, side});
    for (int i = 0; i < 5; ++i) {
      products.push_back(seconds_of(ops_, [&] { ops_.linear(x.view(), packed, y.view()); }));
      copies.push_back(seconds_of(ops_, [&] { ops_.convert(source.view(), copy.view()); }));
    }
    const auto n = static_cast<double>(side);
    print(fmt::format("product {0} x {0} x {0}", side), median(products),
          fmt::format("{:.1f} TFLOP/s", 2e-12 * n * n * n / median(products)));
    print(fmt::format("conversion of {:.0f} MiB by a kernel of ours", 4 * n * n / 1048576),
          median(copies),
          fmt::format("{:.0f} GB/s read and written", 8e-9 * n * n / median(copies)));
  }

  bool transformer() {
    const auto store = random_weights(transformer_shapes(size_.transformer), size_.transformer.dim);
    const auto config = read_transformer_config(
        fmt::format("{{\"num_heads\": {}, \"text_len\": {}}}", size_.heads, size_.text_length),
        *store);
    Transformer network(*store, config, ops_, compute_);
    const auto solo = make_solo_communicator();
    const RankGrid grid(1, 0, config.heads);
    const Tensor rows = cheap_numbers({size_.text_length, config.text_dim}, 7, 1.0f);
    const TextContext context = network.make_text_context(rows.view());
    const std::int64_t token_rows = size_.latent_height / 2, token_columns = size_.latent_width / 2;
    const std::int64_t tokens = chunk_frames * token_rows * token_columns;
    KvCache cache = network.make_cache(size_.chunks * tokens, 0, grid);
    ChunkPass pass(ops_, config, {0, chunk_frames, token_rows, token_columns}, grid, compute_);
    const Tensor x = ops_.on_device(cheap_numbers({tokens, config.patch_inputs()}, 9, 1.7f));
    Tensor flow = ops_.tensor(ElementType::f32, {tokens, config.patch_outputs()});
    for (const double timestep : timesteps) network.prepare(timestep);
    network.prepare(0.0);
    double clip = 0;
    for (int round = 0; round < 2; ++round) {  // the first one chooses algorithms
      clip = 0;
      for (std::int64_t chunk = 0; chunk < size_.chunks; ++chunk) {
        pass.move_to(ops_, chunk * chunk_frames);
        const double time = seconds_of(ops_, [&] {
          for (const double timestep : timesteps)
            network.forward(pass, timestep, context, cache, *solo, x.f32(), flow.f32());
          network.forward(pass, 0.0, context, cache, *solo, x.f32(), nullptr);
        });
        clip += time;
        if (round == 0) continue;
        const std::int64_t keys = (chunk + 1) * tokens;
        // The pass that fills the cache ends with the keys and values of the last block.
        const auto d = static_cast<double>(size_.transformer.dim);
        const auto blocks = static_cast<double>((timesteps.size() + 1) * size_.layers() - 1);
        const double flops = blocks * block_flops(size_.transformer, tokens, keys, context.keys) +
                             4 * d * d * static_cast<double>(tokens);
        print(fmt::format("transformer, chunk {}, {} keys, 5 passes", chunk, keys), time,
              fmt::format("{:.1f} TFLOP/s", 1e-12 * flops / time));
      }
    }
    print("transformer, whole clip", clip, frames_per_second(clip));
    return finite("transformer", flow);
  }

  bool text() {
    const auto store = random_weights(text_encoder_shapes(size_.text), size_.text.width);
    TextEncoderConfig config{.vocab = size_.text.vocabulary,
                             .width = size_.text.width,
                             .heads = size_.text.heads,
                             .head_dim = size_.text.head_dim,
                             .ffn = size_.text.ffn_dim,
                             .layers = size_.text.layers};
    TextEncoder encoder(*store, config, ops_, compute_);
    encoder.keep_matrices();
    const std::vector<std::int32_t> ids(static_cast<std::size_t>(size_.text_length), 1);
    Tensor states = encoder.encode(ids);  // the first one chooses algorithms
    std::vector<double> times;
    for (int i = 0; i < 3; ++i)
      times.push_back(seconds_of(ops_, [&] { states = encoder.encode(ids); }));
    print(fmt::format("text encoder, {} layers, {} tokens", config.layers, ids.size()),
          median(times), "umT5-XXL has 24 layers");
    return finite("text encoder", std::move(states).moved_to(ops_.memory()));
  }

  bool vae() {
    const auto store = random_weights(vae_shapes(size_.vae), 9 * size_.vae.base_dim);
    const VaeConfig config = vae_config(*store, "");
    VaeDecoder decoder(*store, config, ops_, compute_);
    const Tensor latents = cheap_numbers(
        {config.z_dim, chunk_frames, size_.latent_height, size_.latent_width}, 5, 1.0f);
    bool fine = true;
    const auto sink = [&](ConstView frames) {
      Tensor as_f32 =
          ops_.tensor(ElementType::f32, {frames.shape[0], frames.shape[1], frames.shape[2], 3});
      ops_.convert(frames, as_f32.view());
      fine = fine && all_finite(ops_, as_f32);
    };
    double clip = 0;
    for (int round = 0; round < 2; ++round) {
      decoder.begin(size_.latent_height, size_.latent_width);
      clip = 0;
      for (std::int64_t chunk = 0; chunk < size_.chunks; ++chunk) {
        const double time = seconds_of(ops_, [&] {
          decoder.decode(latents.view(), [&](ConstView frames) {
            if (round == 0) sink(frames);
          });
        });
        clip += time;
        if (round == 1 && chunk < 2) print(fmt::format("VAE decoder, chunk {}", chunk), time, "");
      }
    }
    print("VAE decoder, whole clip", clip, frames_per_second(clip));
    if (!fine) std::fprintf(stderr, "VAE decoder: the answer is not finite\n");
    return fine;
  }

  std::string frames_per_second(double clip) const {
    const auto frames = static_cast<double>(4 * (chunk_frames * size_.chunks - 1) + 1);
    return fmt::format("{:.1f} frames/s", frames / clip);
  }

  bool finite(const char* what, const Tensor& answer) const {
    const bool fine = all_finite(ops_, answer);
    if (!fine) std::fprintf(stderr, "%s: the answer is not finite\n", what);
    return fine;
  }

  Size size_;
  const Ops& ops_;
  ElementType compute_;
};

int run(bool small, bool cuda, bool deterministic, bool decode, ElementType compute) {
  const Ops ops = open_backend(cuda, 0, deterministic);
  std::printf("backend %s, %s\n", ops.kernels().name, name_of(compute));
  const bool fine = Bench(small ? tiny() : published(), ops, compute).all(decode);
  keep_choices(ops);
  return fine ? 0 : 1;
}

}  // namespace
}  // namespace causeway::testing

int main(int argc, char** argv) {
  using namespace causeway;
  bool small = false, cuda = false, decode = true, deterministic = false;
  auto compute = ElementType::bf16;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--tiny") {
      small = true;
    } else if (argument == "--cuda") {
      cuda = true;
    } else if (argument == "--deterministic") {
      deterministic = true;
    } else if (argument == "--fp32") {
      compute = ElementType::f32;
    } else if (argument == "--no-vae") {
      decode = false;
    } else {
      std::fprintf(stderr,
                   "usage: clip_bench [--tiny] [--cuda] [--deterministic] [--fp32] [--no-vae]\n");
      return 2;
    }
  }
  return testing::exit_code_of(
      [&] { return testing::run(small, cuda, deterministic, decode, compute); });
}
