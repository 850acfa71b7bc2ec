// Times the parts of one clip at the published 1.3B sizes, with random weights and the networks
// alone: each chunk of the transformer, the VAE's decoder, both beside each other, two layers of
// the text encoder.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/clip_parts.hpp"
#include "core/beside.hpp"
#include "core/clock.hpp"

namespace causeway::testing {
namespace {

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
    return fine && (!decode || (vae() && stages_together()));
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
    TransformerClip clip(size_, ops_, compute_);
    double seconds = 0, asked = 0;
    for (int round = 0; round < 2; ++round) {  // the first one chooses algorithms
      seconds = asked = 0;
      for (std::int64_t chunk = 0; chunk < size_.chunks; ++chunk) {
        clip.move_to(chunk);
        const double time = seconds_of(ops_, [&] {
          const auto start = Clock::now();
          clip.denoise();
          clip.refresh();
          asked += seconds_since(start);
        });
        seconds += time;
        if (round == 0) continue;
        print(fmt::format("transformer, chunk {}, {} keys, 5 passes", chunk,
                          (chunk + 1) * clip.tokens()),
              time, fmt::format("{:.1f} TFLOP/s", 1e-12 * clip.flops(chunk) / time));
      }
    }
    print("transformer, whole clip", seconds, frames_per_second(seconds));
    // What graphs of kernels could save at most is what the device waits for the host.
    print("of which the host asked for", asked, "");
    return finite("transformer", clip.flow());
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
    VaeClip clip(size_, ops_, compute_);
    clip.begin();
    bool fine = true;
    for (std::int64_t chunk = 0; chunk < std::min<std::int64_t>(2, size_.chunks); ++chunk)
      fine = clip.decode_and_check() && fine;
    clip.begin();
    double seconds = 0;
    for (std::int64_t chunk = 0; chunk < size_.chunks; ++chunk) {
      const double time = seconds_of(clip.ops(), [&] { clip.decode(); });
      seconds += time;
      if (chunk < 2) print(fmt::format("VAE decoder, chunk {}", chunk), time, "");
    }
    print("VAE decoder, whole clip", seconds, frames_per_second(seconds));
    if (!fine) std::fprintf(stderr, "VAE decoder: the answer is not finite\n");
    return fine;
  }

  /// As a rollout goes, save the text and the files.
  bool stages_together() {
    TransformerClip transformer(size_, ops_, compute_);
    VaeClip vae(size_, ops_, compute_);
    double first_frame = 0, seconds = 0;
    for (int round = 0; round < 2; ++round) {
      vae.begin();
      Beside decoding;
      const auto start = Clock::now();
      for (std::int64_t chunk = 0; chunk < size_.chunks; ++chunk) {
        transformer.move_to(chunk);
        transformer.denoise();
        ops_.memory().wait();
        const auto decode = [&, chunk] {
          vae.ops().memory().enter_thread();
          vae.decode();
          if (chunk == 0) first_frame = seconds_since(start);
        };
        if (vae.is_beside() && round > 0) {  // the first round chooses algorithms
          decoding.run(decode);
        } else {
          decode();
        }
        if (chunk + 1 < size_.chunks) transformer.refresh();
        ops_.memory().wait();
      }
      decoding.wait();
      seconds = seconds_since(start);
    }
    print("first chunk until its frames are there", first_frame, "without text");
    print("whole clip, decoding beside the passes", seconds, frames_per_second(seconds));
    return finite("whole clip", transformer.flow());
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
