// The causal transformer against golden numbers of a float64 reference: chunks, window, sink,
// caches.
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/kernels.hpp"
#include "model/transformer.hpp"
#include "model/transformer_config.hpp"
#include "model/transformer_runner.hpp"
#include "support/golden.hpp"
#include "support/network_shapes.hpp"

namespace causeway::testing {
namespace {

constexpr const char* tiny_config = R"({"num_heads": 2, "text_len": 7, "eps": 1e-6})";
constexpr double tolerance = 1e-5;  // we compute in float32

TextContext golden_text(const Transformer& transformer) {
  // Rows 5 and 6 are zero: padding.
  const auto rows = golden_input(7 * 20, 0.3);
  return transformer.make_text_context(const_view_of(rows.data(), ElementType::f32, {5, 20}));
}

class GoldenTransformer : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto* kernels = kernels::cpu_kernels_named(GetParam());
    if (kernels == nullptr) GTEST_SKIP() << "this machine cannot run " << GetParam();
    ops_ = std::make_unique<Ops>(*kernels);
    store_ = golden_store("the golden transformer", transformer_shapes({}), golden_amplitude);
    transformer_ = std::make_unique<Transformer>(
        *store_, read_transformer_config(tiny_config, *store_), *ops_, ElementType::f32);
  }
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<MapStore> store_;
  std::unique_ptr<Transformer> transformer_;
};

TEST_P(GoldenTransformer, GivesTheGoldenFlowsAndCaches) {
  const auto solo = make_solo_communicator();
  const TextContext text = golden_text(*transformer_);
  std::unique_ptr<TransformerRunner> runner;
  int window = 0, chunk = 0, compared = 0;
  for (const auto& golden : golden_cases("transformer")) {
    const std::int64_t frames = golden.window < 0 ? 2 : 1;
    if (golden.what == "flow") {
      if (!runner || golden.window != window) {
        runner = std::make_unique<TransformerRunner>(
            *transformer_, *ops_, *solo, 4, 6, golden.window < 0 ? 6 : golden.window, golden.sink);
        window = golden.window;
      }
      chunk = golden.chunk;
      const auto x =
          golden_input(static_cast<std::size_t>(4 * frames * 24), 0.5 + chunk + golden.t / 1000.0);
      const auto flow = runner->flow(x, chunk * frames, frames, golden.t, text);
      EXPECT_LT(golden_error(golden, flow), tolerance)
          << "window " << window << " chunk " << chunk << " t " << golden.t;
    } else if (golden.what == "self_k_cache") {
      const std::int64_t slots = golden.shape[1];
      std::vector<float> k(static_cast<std::size_t>(slots * 64)), v(k.size());
      ops_->kv_load(runner->cache().layer(golden.layer), 0,
                    view_of(k.data(), ElementType::f32, {slots, 2, 32}),
                    view_of(v.data(), ElementType::f32, {slots, 2, 32}));
      EXPECT_LT(golden_error(golden, k), tolerance) << "K cache, window " << window;
    } else {
      ASSERT_EQ(golden.what, "cross_v");
      // Five prompt rows and one that stands for both padding rows.
      ASSERT_EQ(text.keys, 6);
      std::vector<float> k(6 * 64), v(k.size());
      ops_->kv_load(text.layers[static_cast<std::size_t>(golden.layer)], 0,
                    view_of(k.data(), ElementType::f32, {6, 2, 32}),
                    view_of(v.data(), ElementType::f32, {6, 2, 32}));
      v.insert(v.end(), v.end() - 64, v.end());
      EXPECT_LT(golden_error(golden, v), tolerance);
    }
    ++compared;
  }
  EXPECT_EQ(compared, 28);
}

INSTANTIATE_TEST_SUITE_P(EveryInstructionSet, GoldenTransformer,
                         ::testing::Values("baseline", "avx2", "avx512", "avx512bf16"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST(TimestepSinusoid, GivesTheGoldenCosinesAndSines) {
  const auto expected = golden_scalars("sinusoid_width8_t937.5");
  const auto values = timestep_sinusoid(937.5, 8);
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_FLOAT_EQ(values[i], static_cast<float>(expected[i]));
}

TEST(TransformerConfig, CountsTheParametersOfThePublishedModels) {
  TransformerConfig config;
  config.width = 1536;
  config.layers = 30;
  config.heads = 12;
  config.ffn = 8960;
  config.in_channels = config.out_channels = 16;
  config.text_dim = 4096;
  config.freq_dim = 256;
  EXPECT_EQ(parameter_count(config), 1'418'996'800);
  EXPECT_EQ(transformer_tensor_shapes(config).size(), 825u);
  config.width = 5120;
  config.layers = 40;
  config.ffn = 13824;
  EXPECT_EQ(parameter_count(config), 14'288'491'584);
  EXPECT_EQ(transformer_tensor_shapes(config).size(), 1095u);
}

}  // namespace
}  // namespace causeway::testing
