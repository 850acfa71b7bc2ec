// The VAE's configuration from JSON and from shapes, and the published network's sizes.
#include "model/vae_cases.hpp"
#include "support/golden.hpp"

namespace causeway::testing {
namespace {

const char* const published = R"({
  "_class_name": "AutoencoderKLWan", "attn_scales": [], "base_dim": 96, "dim_mult": [1, 2, 4, 4],
  "dropout": 0.0, "num_res_blocks": 2, "temperal_downsample": [false, true, true], "z_dim": 16,
  "latents_mean": [-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
                   0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921],
  "latents_std": [2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
                  3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.916]})";

std::int64_t parameters(const TensorShapes& shapes, const std::string& prefix) {
  std::int64_t sum = 0;
  for (const auto& [name, shape] : shapes) {
    if (!name.starts_with(prefix)) continue;
    std::int64_t size = 1;
    for (const auto extent : shape) size *= extent;
    sum += size;
  }
  return sum;
}

MapStore nothing() { return MapStore("nothing"); }

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST(VaeConfig, ThePublishedNetworkHasThePublishedTensors) {
  const VaeConfig config = vae_config(nothing(), published);
  const auto shapes = vae_tensor_shapes(config);
  EXPECT_EQ(shapes.size(), 194u);
  EXPECT_EQ(parameters(shapes, ""), 126892531);
  EXPECT_EQ(parameters(shapes, "encoder."), 53595872);
  EXPECT_EQ(parameters(shapes, "decoder."), 73295331);
  EXPECT_EQ(shapes.at("decoder.upsamples.7.time_conv.weight"),
            (std::vector<std::int64_t>{768, 384, 3, 1, 1}));
  EXPECT_EQ(shapes.at("decoder.upsamples.4.shortcut.weight"),
            (std::vector<std::int64_t>{384, 192, 1, 1, 1}));
  EXPECT_EQ(config.spatial_stride(), 8);
  EXPECT_EQ(config.temporal_stride(), 4);
  EXPECT_EQ(config.frames(21), 81);
  EXPECT_FLOAT_EQ(config.std[0], 2.8184f);
}

TEST(VaeConfig, NamesAndShapesAgreeWithAnIndependentList) {
  EXPECT_EQ(vae_tensor_shapes(vae_config(nothing(), published)),
            vae_shapes({96, 16, {1, 2, 4, 4}, 2, {false, true, true}}));
  VaeConfig config = small_vae_config();
  EXPECT_EQ(vae_tensor_shapes(config), vae_shapes({}));
  config.dim_mult = {1, 3, 2};
  config.temporal_downsample = {true, false};
  config.num_res_blocks = 1;
  EXPECT_EQ(vae_tensor_shapes(config), vae_shapes({4, 3, {1, 3, 2}, 1, {true, false}}));
}

TEST(VaeConfig, TheCachesOfThePublishedDecoderHaveTwiceTheirPublishedSize) {
  // Two frames for each convolution are published; four are kept, so that they move half as often.
  EXPECT_EQ(vae_decoder_cache_elements(VaeConfig{}, 60, 104), 2 * 944286720);
}

TEST(VaeConfig, ComesFromShapesWhereThereIsNoFile) {
  VaeConfig small = vae_config(nothing(), published);
  small.base_dim = 2;
  small.num_res_blocks = 1;
  const auto store = golden_store("small VAE", vae_tensor_shapes(small), golden_vae_amplitude);
  const VaeConfig found = vae_config(*store, "");
  EXPECT_EQ(found.base_dim, 2);
  EXPECT_EQ(found.z_dim, 16);
  EXPECT_EQ(found.num_res_blocks, 1);
  EXPECT_EQ(found.dim_mult, small.dim_mult);
  EXPECT_EQ(found.temporal_downsample, small.temporal_downsample);
  EXPECT_EQ(found.mean, small.mean);
  EXPECT_EQ(found.std, small.std);
}

TEST(VaeConfig, AsksForAFileWhereTheStatisticsAreNotKnown) {
  const auto store = golden_store("small VAE", vae_shapes({}), golden_vae_amplitude);
  EXPECT_THROW(vae_config(*store, ""), Error);
}

TEST(VaeConfig, RefusesWhatItCannotRun) {
  const auto message_for = [](const std::string& json) -> std::string {
    try {
      vae_config(nothing(), json);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::input);
      return error.what();
    }
    return "accepted";
  };
  const std::string text = published;
  const auto names = [](const std::string& message, const char* key) {
    return message.find(key) != std::string::npos;
  };
  EXPECT_EQ(message_for(text), "accepted");
  EXPECT_TRUE(names(message_for("{"), "not a JSON object"));
  EXPECT_TRUE(names(message_for("[1]"), "not a JSON object"));
  EXPECT_TRUE(names(message_for(replaced(text, "\"z_dim\": 16", "\"z\": 16")), "z_dim"));
  EXPECT_TRUE(names(message_for(replaced(text, "\"z_dim\": 16", "\"z_dim\": \"16\"")), "z_dim"));
  EXPECT_TRUE(names(message_for(replaced(text, "\"z_dim\": 16", "\"z_dim\": 15")), "latents_mean"));
  EXPECT_TRUE(names(message_for(replaced(text, "\"z_dim\": 16", "\"z_dim\": 1e300")), "z_dim"));
  EXPECT_TRUE(
      names(message_for(replaced(text, "[1, 2, 4, 4]", "[1, 2, 4]")), "temperal_downsample"));
  EXPECT_TRUE(names(message_for(replaced(text, "[1, 2, 4, 4]", "[1, 0, 4, 4]")), "dim_mult"));
  EXPECT_TRUE(
      names(message_for(replaced(text, "\"base_dim\": 96", "\"base_dim\": 3")), "base_dim"));
  EXPECT_TRUE(names(message_for(replaced(text, "2.8184", "-2.8184")), "latents_std"));
  EXPECT_TRUE(
      names(message_for(replaced(text, "\"dropout\": 0.0", "\"is_residual\": true")), "family"));
  EXPECT_TRUE(
      names(message_for(replaced(text, "\"dropout\": 0.0", "\"patch_size\": 2")), "family"));
}

}  // namespace
}  // namespace causeway::testing
