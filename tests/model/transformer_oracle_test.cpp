// The transformer against diffusers' own on the same published files: one chunk, causal, window and
// sink.
#include <gtest/gtest.h>

#include <cstring>

#include "checkpoint/checkpoint.hpp"
#include "model/transformer.hpp"
#include "model/transformer_config.hpp"
#include "model/transformer_runner.hpp"
#include "support/compare.hpp"
#include "support/device_on_host/backends.hpp"

namespace causeway::testing {
namespace {

const std::string oracle_folder = std::string(CAUSEWAY_SOURCE_DIR) + "/tests/golden/oracle/";

std::vector<float> numbers(const TensorStore& store, const std::string& name) {
  const ConstView view = store.at(name).view;
  std::vector<float> values(static_cast<std::size_t>(view.size()));
  std::memcpy(values.data(), view.data, values.size() * sizeof(float));
  return values;
}

/// Frames [first, first + count) of latents [16, frames, 8, 12].
std::vector<float> frame_range(const std::vector<float>& latents, std::int64_t frames,
                               std::int64_t first, std::int64_t count) {
  constexpr std::int64_t plane = 8 * 12;
  std::vector<float> part;
  for (std::int64_t c = 0; c < 16; ++c) {
    const auto start = latents.begin() + (c * frames + first) * plane;
    part.insert(part.end(), start, start + count * plane);
  }
  return part;
}

struct Case {
  const char* backend;
  ElementType compute;
  double tolerance;
};

class OracleTransformer : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    ops_ = ops_named(GetParam().backend);
    if (ops_ == nullptr) GTEST_SKIP() << "this machine cannot run " << GetParam().backend << ".";
  }
  std::unique_ptr<Transformer> open(const std::string& folder, const std::string& file = "") {
    checkpoint_ = open_checkpoint(oracle_folder + folder, file.empty() ? "" : oracle_folder + file);
    return std::make_unique<Transformer>(
        *checkpoint_.transformer,
        read_transformer_config(checkpoint_.transformer_config, *checkpoint_.transformer), *ops_,
        GetParam().compute);
  }
  TextContext text_of(Transformer& transformer, const TensorStore& fixture) {
    return transformer.make_text_context(fixture.at("text").view);
  }
  void expect_single_chunk(Transformer& transformer, const std::string& fixture_name) {
    const auto fixture = open_tensor_file(oracle_folder + fixture_name);
    TransformerRunner runner(transformer, *ops_, *solo_, 8, 12, 3, 0);
    const auto flow = runner.flow(numbers(*fixture, "x"), 0, 3, numbers(*fixture, "t")[0],
                                  text_of(transformer, *fixture));
    EXPECT_LT(relative_l2(flow, numbers(*fixture, "flow")), GetParam().tolerance);
  }
  void expect_causal(const std::string& name, std::int64_t chunk, std::int64_t window,
                     std::int64_t sink) {
    const auto transformer = open("tiny_diffusers");
    const auto fixture = open_tensor_file(oracle_folder + "oracle_causal.safetensors");
    const auto clean = numbers(*fixture, "clean"), noisy = numbers(*fixture, "noisy");
    const auto expected = numbers(*fixture, name + ".flow"), t = numbers(*fixture, name + ".t");
    const TextContext text = text_of(*transformer, *fixture);
    TransformerRunner runner(*transformer, *ops_, *solo_, 8, 12, window, sink);
    for (std::int64_t first = 0; first < 6; first += chunk) {
      const auto flow = runner.flow(frame_range(noisy, 6, first, chunk), first, chunk,
                                    t[static_cast<std::size_t>(first / chunk)], text);
      EXPECT_LT(relative_l2(flow, frame_range(expected, 6, first, chunk)), GetParam().tolerance)
          << name << " frame " << first;
      runner.flow(frame_range(clean, 6, first, chunk), first, chunk, 0.0, text);
    }
  }

  std::unique_ptr<Communicator> solo_ = make_solo_communicator();
  const Ops* ops_ = nullptr;
  CheckpointFolder checkpoint_;
};

TEST_P(OracleTransformer, OneChunkEqualsTheBidirectionalModel) {
  expect_single_chunk(*open("tiny_diffusers"), "oracle_transformer.safetensors");
}

TEST_P(OracleTransformer, TheOriginalFolderHoldsTheSameModel) {
  expect_single_chunk(*open("tiny_wan"), "oracle_transformer.safetensors");
}

TEST_P(OracleTransformer, ASelfForcingFileReplacesTheTransformer) {
  expect_single_chunk(*open("tiny_wan", "tiny_wan/self_forcing.pt"),
                      "oracle_self_forcing.safetensors");
}

TEST_P(OracleTransformer, TheCacheEqualsABlockCausalMask) { expect_causal("unlimited", 2, 6, 0); }

TEST_P(OracleTransformer, WindowAndSinkEqualTheirMask) { expect_causal("windowed", 1, 4, 1); }

INSTANTIATE_TEST_SUITE_P(
    EveryBackend, OracleTransformer,
    ::testing::Values(
        Case{"baseline", ElementType::f32, 1e-5}, Case{"baseline", ElementType::bf16, 1e-2},
        Case{"avx2", ElementType::f32, 1e-5}, Case{"avx2", ElementType::bf16, 1e-2},
        Case{"avx512", ElementType::f32, 1e-5}, Case{"avx512bf16", ElementType::f32, 1e-5},
        Case{"avx512bf16", ElementType::bf16, 1e-2}, Case{"device_on_host", ElementType::f32, 1e-5},
        Case{"device_on_host", ElementType::bf16, 1e-2}, Case{"gpu", ElementType::f32, 1e-5},
        Case{"gpu", ElementType::bf16, 1e-2},
        Case{"device_with_libraries_on_host", ElementType::f32, 1e-5},
        Case{"device_with_libraries_on_host", ElementType::bf16, 1e-2},
        Case{"gpu_libraries", ElementType::f32, 1e-5},
        Case{"gpu_libraries", ElementType::bf16, 1e-2}),
    [](const auto& instance) {
      return std::string(instance.param.backend) + "_" + name_of(instance.param.compute);
    });

}  // namespace
}  // namespace causeway::testing
