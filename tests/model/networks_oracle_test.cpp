// VAE and umT5 against diffusers and transformers, on tiny checkpoints in both published layouts.
#include "model/text_encoder.hpp"
#include "model/vae_cases.hpp"

namespace causeway::testing {
namespace {

constexpr double f32_limit = 1e-5, bf16_limit = 1e-2;

struct Case {
  std::string folder;   // of the checkpoint
  std::string fixture;  // of inputs and outputs, without folder
  std::string backend;
  ElementType compute;
  double limit() const { return compute == ElementType::f32 ? f32_limit : bf16_limit; }
};

void PrintTo(const Case& test, std::ostream* out) {
  *out << test.folder << ' ' << test.backend << ' ' << name_of(test.compute);
}

std::string name_of_case(const ::testing::TestParamInfo<Case>& info) {
  return fmt::format("{}_on_{}_{}", info.param.folder, info.param.backend,
                     name_of(info.param.compute));
}

class Oracle : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (ops_named(GetParam().backend) == nullptr) {
      GTEST_SKIP() << "this machine cannot run " << GetParam().backend << ".";
    }
  }
};

class VaeOracle : public Oracle {};

TEST_P(VaeOracle, DecodesLikeDiffusers) {
  const Ops& ops = *ops_named(GetParam().backend);
  const auto checkpoint = open_checkpoint(oracle_path(GetParam().folder), "");
  const auto oracle =
      open_tensor_file(oracle_path("oracle_vae" + GetParam().fixture + ".safetensors"));
  const VaeConfig config = vae_config(*checkpoint.vae, checkpoint.vae_config);
  VaeDecoder decoder(*checkpoint.vae, config, ops, GetParam().compute);
  const auto& shape = oracle->at("latents").view.shape;  // [z, n, h, w]
  const auto frames =
      decode(ops, decoder, fixture(*oracle, "latents"), shape[2], shape[3], {1, shape[1] - 1});
  const auto expected = fixture(*oracle, "frames");
  ASSERT_EQ(frames.size(), expected.size());
  const double distance = relative_l2(channels_first(frames, 3), expected);
  RecordProperty("relative_l2", fmt::format("{:.2e}", distance));
  EXPECT_LE(distance, GetParam().limit());
}

TEST_P(VaeOracle, EncodesLikeDiffusers) {
  const auto oracle =
      open_tensor_file(oracle_path("oracle_vae" + GetParam().fixture + ".safetensors"));
  if (oracle->find("video") == nullptr) GTEST_SKIP() << "this fixture has no video";
  const Ops& ops = *ops_named(GetParam().backend);
  const auto checkpoint = open_checkpoint(oracle_path(GetParam().folder), "");
  const VaeConfig config = vae_config(*checkpoint.vae, checkpoint.vae_config);
  VaeEncoder encoder(*checkpoint.vae, config, ops, GetParam().compute);
  const auto& shape = oracle->at("video").view.shape;  // [3, n, H, W]
  const auto video = channels_last(fixture(*oracle, "video"), 3);
  const Tensor latents =
      encoder.encode(f32_tensor(video, {shape[1], shape[2], shape[3], 3}).view());
  const auto expected = fixture(*oracle, "encoded");
  ASSERT_EQ(latents.size(), static_cast<std::int64_t>(expected.size()));
  const double distance = relative_l2(floats_of(latents.view()), expected);
  RecordProperty("relative_l2", fmt::format("{:.2e}", distance));
  EXPECT_LE(distance, GetParam().limit());
}

class TextOracle : public Oracle {};

TEST_P(TextOracle, EncodesLikeTransformers) {
  const Ops& ops = *ops_named(GetParam().backend);
  const auto checkpoint = open_checkpoint(oracle_path(GetParam().folder), "");
  const auto oracle =
      open_tensor_file(oracle_path("oracle_text" + GetParam().fixture + ".safetensors"));
  const auto config = text_encoder_config(*checkpoint.text_encoder, checkpoint.text_encoder_config);
  const TextEncoder encoder(*checkpoint.text_encoder, config, ops, GetParam().compute);
  for (const int length : {1, 7, 30, 200}) {
    const auto ids =
        fixture(*oracle, "ids_" + std::to_string(length));  // whole numbers, stored as f32
    const Tensor states = encoder.encode(std::vector<std::int32_t>(ids.begin(), ids.end()));
    const auto expected = fixture(*oracle, "hidden_" + std::to_string(length));
    ASSERT_EQ(states.size(), static_cast<std::int64_t>(expected.size()));
    const double distance = relative_l2(floats_of(states.view()), expected);
    RecordProperty("relative_l2_" + std::to_string(length), fmt::format("{:.2e}", distance));
    EXPECT_LE(distance, GetParam().limit()) << length << " tokens";
  }
}

const std::vector<Case> cases{
    {"tiny_diffusers", "", "best", ElementType::f32},
    {"tiny_diffusers", "", "best", ElementType::bf16},
    {"tiny_wan", "_wan", "best", ElementType::f32},
    {"tiny_wan", "_wan", "best", ElementType::bf16},
    {"tiny_diffusers", "", "device_on_host", ElementType::f32},
    {"tiny_diffusers", "", "device_on_host", ElementType::bf16},
    {"tiny_diffusers", "", "device_with_libraries_on_host", ElementType::bf16},
    {"tiny_diffusers", "", "gpu", ElementType::f32},
    {"tiny_diffusers", "", "gpu", ElementType::bf16},
    {"tiny_diffusers", "", "gpu_libraries", ElementType::f32},
    {"tiny_diffusers", "", "gpu_libraries", ElementType::bf16}};
INSTANTIATE_TEST_SUITE_P(Checkpoints, VaeOracle, ::testing::ValuesIn(cases), name_of_case);
INSTANTIATE_TEST_SUITE_P(Checkpoints, TextOracle, ::testing::ValuesIn(cases), name_of_case);

}  // namespace
}  // namespace causeway::testing
