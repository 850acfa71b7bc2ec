// The causal transformer against golden numbers of a float64 reference: chunks, window, sink,
// caches.
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "model/transformer.hpp"
#include "model/transformer_config.hpp"
#include "model/transformer_runner.hpp"
#include "support/device_on_host/backends.hpp"
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
    ops_ = ops_named(GetParam());
    if (ops_ == nullptr) GTEST_SKIP() << "this machine cannot run " << GetParam() << ".";
    store_ = golden_store("the golden transformer", transformer_shapes({}), golden_amplitude);
    transformer_ = std::make_unique<Transformer>(
        *store_, read_transformer_config(tiny_config, *store_), *ops_, ElementType::f32);
  }
  /// Keys and values [slots, 2, 32] that a layer's cache holds.
  std::array<std::vector<float>, 2> loaded(const KvStorage& cache, std::int64_t slots) const {
    Tensor k = ops_->tensor(ElementType::f32, {slots, 2, 32});
    Tensor v = ops_->tensor(ElementType::f32, {slots, 2, 32});
    ops_->kv_load(cache, 0, k.view(), v.view());
    const Tensor keys = std::move(k).moved_to(host_memory());
    const Tensor values = std::move(v).moved_to(host_memory());
    return {std::vector<float>(keys.f32(), keys.f32() + keys.size()),
            std::vector<float>(values.f32(), values.f32() + values.size())};
  }

  const Ops* ops_ = nullptr;
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
      const auto k = loaded(runner->cache().layer(golden.layer), golden.shape[1])[0];
      EXPECT_LT(golden_error(golden, k), tolerance) << "K cache, window " << window;
    } else {
      ASSERT_EQ(golden.what, "cross_v");
      // Five prompt rows and one that stands for both padding rows.
      ASSERT_EQ(text.keys, 6);
      auto v = loaded(text.layers[static_cast<std::size_t>(golden.layer)], 6)[1];
      v.insert(v.end(), v.end() - 64, v.end());
      EXPECT_LT(golden_error(golden, v), tolerance);
    }
    ++compared;
  }
  EXPECT_EQ(compared, 28);
}

INSTANTIATE_TEST_SUITE_P(EveryBackend, GoldenTransformer,
                         ::testing::Values("baseline", "avx2", "avx512", "avx512bf16",
                                           "device_on_host", "device_with_libraries_on_host", "gpu",
                                           "gpu_libraries"),
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
