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

class ParallelTransformer : public ::testing::TestWithParam<ElementType> {
 protected:
  ParallelTransformer()
      : store_(golden_store("a transformer of twelve heads", transformer_shapes(shape), 0.1)),
        config_(read_transformer_config(R"({"num_heads": 12, "text_len": 9})", *store_)),
        transformer_(*store_, config_, ops_, GetParam()),
        context_rows_(golden_input(4 * 20, 0.3)),
        text_(transformer_.make_text_context(
            const_view_of(context_rows_.data(), ElementType::f32, {4, 20}))),
        group_(process().split(0)) {}

  const Ops ops_{*kernels::cpu_kernels()};
  std::unique_ptr<MapStore> store_;
  TransformerConfig config_;
  Transformer transformer_;
  std::vector<float> context_rows_;
  TextContext text_;
  std::unique_ptr<Communicator> group_;
};

TEST_P(ParallelTransformer, GivesTheSameBitsAsOneRankAndSendsWhatTheFormulaSays) {
  const auto solo = make_solo_communicator();
  TransformerRunner ours(transformer_, ops_, *group_, height, width, window, sink);
  TransformerRunner alone(transformer_, ops_, *solo, height, width, window, sink);
  std::int64_t expected_bytes = 0;
  const std::int64_t row = config_.patch_inputs();
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    for (const double t : timesteps) {
      const auto x =
          golden_input(static_cast<std::size_t>(4 * frames * height * width), 0.5 + chunk + t);
      const auto part = ours.own_flow(x, chunk * frames, frames, t, text_);
      const auto whole = alone.own_flow(x, chunk * frames, frames, t, text_);
      const TokenRange own = ours.own();
      ASSERT_EQ(part.size(), static_cast<std::size_t>(own.count * row));
      EXPECT_EQ(
          0, std::memcmp(part.data(), whole.data() + own.first * row, part.size() * sizeof(float)))
          << "chunk " << chunk << " t " << t << " rank " << group_->rank() << " of "
          << group_->size();
      expected_bytes +=
          config_.layers * bytes_sent_per_layer(group_->size(), group_->rank(), config_.heads,
                                                config_.head_dim(), frames * ours.frame_tokens(),
                                                static_cast<std::int64_t>(bytes_of(GetParam())));
    }
  }
  EXPECT_EQ(group_->exchanged_bytes(), expected_bytes);
  EXPECT_EQ(solo->exchanged_bytes(), 0);
  // Two messages to each row mate, one to every other rank, per layer and pass.
  const RankGrid grid(group_->size(), group_->rank(), config_.heads);
  EXPECT_EQ(group_->exchanged_messages(),
            chunks * 2 * config_.layers * ((group_->size() - 1) + (grid.head_parts() - 1)));
}

TEST_P(ParallelTransformer, APassForTheCacheAloneLeavesTheSameKeysAndSendsNoQueries) {
  const RankGrid grid(group_->size(), group_->rank(), config_.heads);
  const ChunkPlace place{0, frames, height / 2, width / 2};
  ChunkPass pass(ops_, config_, place, grid, GetParam());
  const auto own = static_cast<std::size_t>(pass.own_tokens() * config_.patch_inputs());
  const auto x = golden_input(own, 0.25);
  std::vector<float> v(own);
  KvCache full = transformer_.make_cache(place.tokens(), 0, grid);
  KvCache bare = transformer_.make_cache(place.tokens(), 0, grid);
  transformer_.forward(pass, 0.0, text_, full, *group_, x.data(), v.data());
  const std::int64_t full_bytes = group_->exchanged_bytes();
  transformer_.forward(pass, 0.0, text_, bare, *group_, x.data(), nullptr);
  const std::int64_t bare_bytes = group_->exchanged_bytes() - full_bytes;
  EXPECT_EQ(
      bare_bytes, full_bytes / 2 + [&] {
        std::int64_t total = 0;
        for (const auto bytes : pass.layout().key_value().send_bytes) total += bytes;
        return total;
      }());
  const std::vector<std::int64_t> slots{place.tokens(), grid.local_heads(), config_.head_dim()};
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    Tensor k1(ElementType::f32, slots), v1(ElementType::f32, slots), k2(ElementType::f32, slots),
        v2(ElementType::f32, slots);
    ops_.kv_load(full.layer(layer), 0, k1.view(), v1.view());
    ops_.kv_load(bare.layer(layer), 0, k2.view(), v2.view());
    EXPECT_EQ(0, std::memcmp(k1.data(), k2.data(), k1.bytes()));
    EXPECT_EQ(0, std::memcmp(v1.data(), v2.data(), v1.bytes()));
  }
}

INSTANTIATE_TEST_SUITE_P(BothPrecisions, ParallelTransformer,
                         ::testing::Values(ElementType::f32, ElementType::bf16),
                         [](const auto& instance) { return std::string(name_of(instance.param)); });

}  // namespace
}  // namespace causeway::testing
