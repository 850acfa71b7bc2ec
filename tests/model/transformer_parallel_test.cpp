// The law of distribution for the transformer: a group of any size gives the bits of one rank, and
// sends exactly the bytes that the formula says.
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/kernels.hpp"
#include "model/late_group.hpp"
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

bool is_same(const Exchange& a, const Exchange& b) {
  return a.send_bytes == b.send_bytes && a.send_offset == b.send_offset &&
         a.receive_bytes == b.receive_bytes && a.receive_offset == b.receive_offset;
}

/// The slots of a cache's layer as far as a chunk has filled them, K before V.
std::vector<float> keys_and_values(const Ops& ops, KvCache& cache, std::int64_t layer,
                                   const std::vector<std::int64_t>& slots) {
  Tensor k(ElementType::f32, slots), v(ElementType::f32, slots);
  ops.kv_load(cache.layer(layer), 0, k.view(), v.view());
  std::vector<float> both(k.f32(), k.f32() + k.size());
  both.insert(both.end(), v.f32(), v.f32() + v.size());
  return both;
}

TEST_P(ParallelTransformer, ExchangesBesideProjectionsGiveTheSameBits) {
  LateGroup late(*group_);
  const RankGrid grid(group_->size(), group_->rank(), config_.heads);
  const ChunkPlace place{0, frames, height / 2, width / 2};
  ChunkPass pass(ops_, config_, place, grid, GetParam());
  const auto own = static_cast<std::size_t>(pass.own_tokens() * config_.patch_inputs());
  const auto x = golden_input(own, 0.25);
  const ChunkLayout& layout = pass.layout();
  const std::vector<std::int64_t> slots{place.tokens(), grid.local_heads(), config_.head_dim()};
  const bool beside = group_->size() >= 4;
  std::int64_t counted_bytes = 0, counted_messages = 0;
  for (const bool whole : {true, false}) {  // or a pass for the cache alone
    std::vector<float> expected(own), v(own);
    KvCache expected_cache = transformer_.make_cache(place.tokens(), 0, grid);
    KvCache cache = transformer_.make_cache(place.tokens(), 0, grid);
    const std::int64_t bytes = group_->exchanged_bytes(), messages = group_->exchanged_messages();
    transformer_.forward(pass, 0.0, text_, expected_cache, *group_, x.data(),
                         whole ? expected.data() : nullptr);
    counted_bytes += group_->exchanged_bytes() - bytes;
    counted_messages += group_->exchanged_messages() - messages;
    if (beside) {  // two messages more to each row mate, one to every other rank
      const std::int64_t more = 2 * (grid.head_parts() - 1) + (grid.ranks() - grid.head_parts());
      const std::int64_t less = whole ? 0 : grid.head_parts() - 1;  // a layer without queries
      counted_messages += config_.layers * more - less;
    }
    transformer_.forward(pass, 0.0, text_, cache, late, x.data(), whole ? v.data() : nullptr);
    EXPECT_FALSE(late.is_under_way());
    EXPECT_EQ(late.flop_beside(), 2.0 * static_cast<double>(place.tokens() / group_->size()) *
                                      static_cast<double>(config_.width * config_.width));
    EXPECT_EQ(0, std::memcmp(v.data(), expected.data(), own * sizeof(float)));
    for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
      const auto theirs = keys_and_values(ops_, expected_cache, layer, slots);
      const auto ours = keys_and_values(ops_, cache, layer, slots);
      EXPECT_EQ(0, std::memcmp(ours.data(), theirs.data(), ours.size() * sizeof(float)));
    }
    const std::size_t parts = whole ? 3 : 2;
    ASSERT_EQ(late.joined().size(), beside ? parts : 0);
    const Exchange* const order[] = {&layout.value(), &layout.key(), &layout.query()};
    for (std::size_t i = 0; i < late.joined().size(); ++i)
      EXPECT_TRUE(is_same(late.joined()[i], *order[i])) << i;
  }
  EXPECT_EQ(late.exchanged_bytes(), counted_bytes);
  EXPECT_EQ(late.exchanged_messages(), counted_messages);
}

INSTANTIATE_TEST_SUITE_P(BothPrecisions, ParallelTransformer,
                         ::testing::Values(ElementType::f32, ElementType::bf16),
                         [](const auto& instance) { return std::string(name_of(instance.param)); });

}  // namespace
}  // namespace causeway::testing
