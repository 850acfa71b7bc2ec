// Times one block of the 1.3B transformer as part of a pass, and compares it with the measured
// peak.
#include <omp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/bench_parts.hpp"
#include "comm/comm.hpp"
#include "model/transformer.hpp"
#include "model/transformer_config.hpp"
#include "ops/backend.hpp"

namespace causeway::testing {
namespace {

struct Size {
  std::int64_t width, heads, ffn, rows, columns, chunk_frames, history_frames, text_dim,
      text_length;
};
constexpr Size published{1536, 12, 8960, 30, 52, 3, 9, 4096, 512};
constexpr Size tiny{96, 4, 200, 2, 3, 3, 9, 32, 16};

int run(const Size& s, bool cuda, ElementType compute, int repeats, double floor) {
  const Ops ops = open_backend(cuda);
  const TransformerShape shape{.dim = s.width,
                               .ffn_dim = s.ffn,
                               .layers = 2,
                               .text_dim = s.text_dim,
                               .freq_dim = 256,
                               .channels = 16};
  const auto store = random_weights(transformer_shapes(shape), s.width);
  const std::string json = "{\"num_heads\": " + std::to_string(s.heads) +
                           ", \"text_len\": " + std::to_string(s.text_length) + "}";
  const auto config = read_transformer_config(json, *store);
  Transformer transformer(*store, config, ops, compute);
  const auto solo = make_solo_communicator();
  const RankGrid grid(1, 0, config.heads);
  const Tensor rows = cheap_numbers({s.text_length, s.text_dim}, 7, 1.0f);
  const TextContext text = transformer.make_text_context(rows.view());
  const std::int64_t frame = s.rows * s.columns;
  KvCache cache = transformer.make_cache((s.chunk_frames + s.history_frames) * frame, 0, grid);

  std::vector<double> block, peak;
  Tensor flow = ops.tensor(ElementType::f32, {s.chunk_frames * frame, config.patch_outputs()});
  for (std::int64_t first = 0; first <= s.history_frames; first += s.chunk_frames) {
    ChunkPass pass(ops, config, {first, s.chunk_frames, s.rows, s.columns}, grid, compute);
    const Tensor x =
        ops.on_device(cheap_numbers({pass.own_tokens(), config.patch_inputs()}, 9, 1.7f));
    if (first < s.history_frames) {
      transformer.forward(pass, 0.0, text, cache, *solo, x.f32(), nullptr);
      continue;
    }
    for (int i = 0; i <= repeats; ++i) {
      peak.push_back(ops.kernels().measure_peak(compute));
      block.push_back(0.5 * seconds_of(ops, [&] {
                        transformer.forward(pass, 625.0, text, cache, *solo, x.f32(), flow.f32());
                      }));
    }
  }
  block.erase(block.begin());  // the first run also makes the modulation table
  if (!all_finite(ops, flow)) {
    std::fprintf(stderr, "the answer is not finite\n");
    return 1;
  }
  const double flops = block_flops(shape, s.chunk_frames * frame,
                                   (s.chunk_frames + s.history_frames) * frame, text.keys),
               time = median(block), ceiling = median(peak);
  std::printf("backend %s, %d threads, %s\n", ops.kernels().name, omp_get_max_threads(),
              name_of(compute));
  std::printf("block of width %lld, %lld queries, %lld keys, %lld context keys: %.1f GFLOP\n",
              static_cast<long long>(s.width), static_cast<long long>(s.chunk_frames * frame),
              static_cast<long long>((s.chunk_frames + s.history_frames) * frame),
              static_cast<long long>(text.keys), flops * 1e-9);
  std::printf("median of %d: %.1f ms, %.1f GFLOP/s; measured peak %.1f GFLOP/s%s; %.1f %% of it\n",
              repeats, 1e3 * time, 1e-9 * flops / time, 1e-9 * ceiling,
              ops.kernels().deterministic ? "" : " (of plain kernels; libraries have faster units)",
              100.0 * flops / time / ceiling);
  if (100.0 * flops / time / ceiling < floor) {
    std::fprintf(stderr, "below the floor of %.0f %% of the peak\n", floor);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace causeway::testing

int main(int argc, char** argv) {
  bool small = false, cuda = false;
  auto compute = causeway::ElementType::bf16;
  int repeats = 5;
  double floor = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--tiny") {
      small = true;
    } else if (argument == "--cuda") {
      cuda = true;
    } else if (argument == "--fp32") {
      compute = causeway::ElementType::f32;
    } else if (argument == "--repeats" && i + 1 < argc) {
      repeats = std::max(1, std::atoi(argv[++i]));
    } else if (argument == "--floor" && i + 1 < argc) {
      floor = std::atof(argv[++i]);
    } else {
      std::fprintf(
          stderr,
          "usage: block_bench [--tiny] [--cuda] [--fp32] [--repeats N] [--floor PERCENT]\n");
      return 2;
    }
  }
  return causeway::testing::exit_code_of([&] {
    return causeway::testing::run(small ? causeway::testing::tiny : causeway::testing::published,
                                  cuda, compute, repeats, floor);
  });
}
