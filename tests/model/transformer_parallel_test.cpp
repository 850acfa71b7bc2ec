// The law of distribution for the transformer: a group of any size gives the bits of one rank, and
// sends exactly the bytes that the formula says.
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/kernels.hpp"
#include "model/transformer.hpp"
#include "model/transformer_config.hpp"
#include "model/transformer_runner.hpp"
#include "support/golden.hpp"
#include "support/mpi_test_main.hpp"
#include "support/network_shapes.hpp"

namespace causeway::testing {
namespace {

// Twelve heads, as the published model; 4680 tokens become 3·(5·3) = 45, which no group size
// divides evenly.
constexpr TransformerShape shape{
    .dim = 192, .ffn_dim = 200, .layers = 2, .text_dim = 20, .freq_dim = 16, .channels = 4};
constexpr std::int64_t height = 10, width = 6, frames = 3, chunks = 3, window = 7, sink = 1;
constexpr double timesteps[] = {937.5, 0.0};

class ParallelTransformer : public ::testing::TestWithParam<ElementType> {};

TEST_P(ParallelTransformer, GivesTheSameBitsAsOneRankAndSendsWhatTheFormulaSays) {
  const ElementType compute = GetParam();
  const Ops ops(*kernels::cpu_kernels());
  const auto store = golden_store("a transformer of twelve heads", transformer_shapes(shape), 0.1);
  const auto config = read_transformer_config(R"({"num_heads": 12, "text_len": 9})", *store);
  Transformer transformer(*store, config, ops, compute);
  const auto context_rows = golden_input(4 * 20, 0.3);
  const TextContext text =
      transformer.make_text_context(const_view_of(context_rows.data(), ElementType::f32, {4, 20}));

  const auto group = process().split(0);
  const auto solo = make_solo_communicator();
  TransformerRunner ours(transformer, ops, *group, height, width, window, sink);
  TransformerRunner alone(transformer, ops, *solo, height, width, window, sink);
  std::int64_t expected_bytes = 0;
  const std::int64_t row = config.patch_inputs();
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    for (const double t : timesteps) {
      const auto x =
          golden_input(static_cast<std::size_t>(4 * frames * height * width), 0.5 + chunk + t);
      const auto part = ours.own_flow(x, chunk * frames, frames, t, text);
      const auto whole = alone.own_flow(x, chunk * frames, frames, t, text);
      const TokenRange own = ours.own();
      ASSERT_EQ(part.size(), static_cast<std::size_t>(own.count * row));
      EXPECT_EQ(
          0, std::memcmp(part.data(), whole.data() + own.first * row, part.size() * sizeof(float)))
          << "chunk " << chunk << " t " << t << " rank " << group->rank() << " of "
          << group->size();
      expected_bytes +=
          config.layers * bytes_sent_per_layer(group->size(), group->rank(), config.heads,
                                               config.head_dim(), frames * ours.frame_tokens(),
                                               static_cast<std::int64_t>(bytes_of(compute)));
    }
  }
  EXPECT_EQ(group->exchanged_bytes(), expected_bytes);
  EXPECT_EQ(solo->exchanged_bytes(), 0);
  // Two messages to each row mate, one to every other rank, per layer and pass.
  const RankGrid grid(group->size(), group->rank(), config.heads);
  EXPECT_EQ(group->exchanged_messages(),
            chunks * 2 * config.layers * ((group->size() - 1) + (grid.head_parts() - 1)));
}

TEST_P(ParallelTransformer, APassForTheCacheAloneLeavesTheSameKeysAndSendsNoQueries) {
  const ElementType compute = GetParam();
  const Ops ops(*kernels::cpu_kernels());
  const auto store = golden_store("a transformer of twelve heads", transformer_shapes(shape), 0.1);
  const auto config = read_transformer_config(R"({"num_heads": 12, "text_len": 9})", *store);
  Transformer transformer(*store, config, ops, compute);
  const auto context_rows = golden_input(4 * 20, 0.3);
  const TextContext text =
      transformer.make_text_context(const_view_of(context_rows.data(), ElementType::f32, {4, 20}));
  const auto group = process().split(0);
  const RankGrid grid(group->size(), group->rank(), config.heads);
  const ChunkPlace place{0, frames, height / 2, width / 2};
  ChunkPass pass(ops, config, place, grid, compute);
  const auto own = static_cast<std::size_t>(pass.own_tokens() * config.patch_inputs());
  const auto x = golden_input(own, 0.25);
  std::vector<float> v(own);
  KvCache full = transformer.make_cache(place.tokens(), 0, grid);
  KvCache bare = transformer.make_cache(place.tokens(), 0, grid);
  transformer.forward(pass, 0.0, text, full, *group, x.data(), v.data());
  const std::int64_t full_bytes = group->exchanged_bytes();
  transformer.forward(pass, 0.0, text, bare, *group, x.data(), nullptr);
  const std::int64_t bare_bytes = group->exchanged_bytes() - full_bytes;
  EXPECT_EQ(
      bare_bytes, full_bytes / 2 + [&] {
        std::int64_t total = 0;
        for (const auto bytes : pass.layout().key_value().send_bytes) total += bytes;
        return total;
      }());
  const std::vector<std::int64_t> slots{place.tokens(), grid.local_heads(), config.head_dim()};
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    Tensor k1(ElementType::f32, slots), v1(ElementType::f32, slots), k2(ElementType::f32, slots),
        v2(ElementType::f32, slots);
    ops.kv_load(full.layer(layer), 0, k1.view(), v1.view());
    ops.kv_load(bare.layer(layer), 0, k2.view(), v2.view());
    EXPECT_EQ(0, std::memcmp(k1.data(), k2.data(), k1.bytes()));
    EXPECT_EQ(0, std::memcmp(v1.data(), v2.data(), v1.bytes()));
  }
}

INSTANTIATE_TEST_SUITE_P(BothPrecisions, ParallelTransformer,
                         ::testing::Values(ElementType::f32, ElementType::bf16),
                         [](const auto& instance) { return std::string(name_of(instance.param)); });

}  // namespace
}  // namespace causeway::testing
