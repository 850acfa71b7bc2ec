// Whether cuDNN has plans for the attention and the convolutions of whole models, on GPUs that are
// not here: the library takes a description in a GPU's place.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "kernels/attention_parts.hpp"
#include "kernels/cuda_libraries.hpp"
#include "kernels/cudnn_graphs.hpp"
#include "model/vae.hpp"

namespace causeway::testing {
namespace {

using namespace causeway::kernels;
using namespace causeway::kernels::cuda;

struct Gpu {
  const char* name;
  int capability, processors, clock_khz, shared_most, threads, blocks, level2;
  long long memory;
};

/// In the order in which they came: A100, H200, B200, RTX PRO 6000 (from public data sheets).
constexpr Gpu gpus[] = {
    {"NVIDIA A100-SXM4-80GB", 80, 108, 1410000, 166912, 2048, 32, 41943040, 85899345920},
    {"NVIDIA H200", 90, 132, 1980000, 232448, 2048, 32, 62914560, 150754820096},
    {"NVIDIA B200", 100, 148, 1965000, 232448, 2048, 32, 132644864, 191000000000},
    {"NVIDIA RTX PRO 6000", 120, 188, 2430000, 101376, 1536, 24, 134217728, 102000000000},
};

GraphDevice described(const Gpu& gpu) {
  std::string json =
      R"({"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],)"
      R"("regsPerBlock":65536,"warpSize":32,"maxSharedMemoryPerBlock":49152,)"
      R"("reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxThreadsPerBlock":1024,)"
      R"("pciDeviceId":0,"isTccDriver":0,"supportCoopLaunch":1,"memClockRateKHz":3201000,)"
      R"("driverVer":13000,"cudaDeviceId":0)";
  const auto add = [&](const char* key, long long value) {
    json += ",\"" + std::string(key) + "\":" + std::to_string(value);
  };
  add("multiProcessorCount", gpu.processors);
  add("maxSharedMemoryPerBlockOptin", gpu.shared_most);
  add("maxCtasPerSM", gpu.blocks);
  add("maxThreadsPerSM", gpu.threads);
  add("smClockRateKHz", gpu.clock_khz);
  add("l2CacheSize", gpu.level2);
  add("deviceVer", 10 * gpu.capability);
  add("totalGlobalMem", gpu.memory);
  json += ",\"deviceName\":\"" + std::string(gpu.name) + "\"}";
  return {nullptr, gpu.capability, json};
}

/// One line of the table: how many plans each GPU has, and the engine of the likeliest.
template <class Shape>
void expect_plans(const std::string& name, const Shape& shape) {
  std::printf("%-54s", name.c_str());
  for (const Gpu& gpu : gpus) {
    const CudnnGraph graph(shape, described(gpu));
    std::string engine = graph.candidates() > 0 ? graph.name(0) : "none";
    engine = engine.substr(0, engine.find("_k"));
    std::printf(" | %2d %-18s", graph.candidates(), engine.c_str());
    EXPECT_GT(graph.candidates(), 0)
        << name << " on compute capability " << gpu.capability << ": " << graph.problem();
  }
  std::printf("\n");
}

void print_head(const char* title) {
  std::printf("%-54s", title);
  for (const Gpu& gpu : gpus) std::printf(" | sm_%-18d", gpu.capability);
  std::printf("\n");
}

class CudnnSupport : public ::testing::Test {
 protected:
  void SetUp() override {
    if (cudnn_problem() != nullptr) GTEST_SKIP() << cudnn_problem();
  }
};

AttentionShape attention_shape(std::int64_t heads, std::int64_t head_dim, std::int64_t queries,
                               std::int64_t keys, std::int64_t capacity, bool has_bias) {
  const std::int64_t width = heads * head_dim;
  return {.heads = heads,
          .head_dim = head_dim,
          .queries = queries,
          .keys = keys,
          .q_token_stride = width,
          .q_head_stride = head_dim,
          .y_token_stride = width,
          .y_head_stride = head_dim,
          .kv_head_stride = capacity * head_dim,
          .scale = 1.0f / std::sqrt(static_cast<float>(head_dim)),
          .has_bias = has_bias};
}

void expect_attention(std::int64_t heads, std::int64_t head_dim, std::int64_t queries,
                      std::int64_t keys, std::int64_t capacity, bool has_bias) {
  expect_plans("attention " + std::to_string(heads) + " x " + std::to_string(head_dim) + ", " +
                   std::to_string(queries) + " queries, " + std::to_string(keys) + " keys" +
                   (has_bias ? ", bias" : ""),
               attention_shape(heads, head_dim, queries, keys, capacity, has_bias));
}

TEST_F(CudnnSupport, HasPlansForTheAttentionOfThe1p3BModelAt832x480) {
  print_head("1.3B");
  for (const std::int64_t heads : {12, 6, 4, 3, 2, 1}) {
    for (std::int64_t chunk = 1; chunk <= 7; ++chunk) {
      expect_attention(heads, 128, 4680, chunk * 4680, 32760, false);
    }
    expect_attention(heads, 128, 4680, 512, 512, false);
    expect_attention(heads, 128, 4680, 77, 77, true);
  }
  expect_attention(12, 128, 585, 32760, 32760, false);  // one of eight ranks that share queries
  expect_attention(12, 128, 585, 201, 201, true);
}

/// Of all part counts, whichever a GPU would try: each has to be possible everywhere.
void expect_split_attention(std::int64_t heads, std::int64_t queries, std::int64_t keys) {
  AttentionShape shape = attention_shape(heads, 128, queries, keys, 32760, false);
  for (const std::int64_t parts : all_part_counts) {
    shape.parts = parts;
    if (!can_be_split(shape)) continue;
    expect_plans("attention " + std::to_string(heads) + " x 128, " + std::to_string(queries) +
                     " queries, " + std::to_string(keys) + " keys in " + std::to_string(parts),
                 shape);
  }
}

TEST_F(CudnnSupport, HasPlansForTheAttentionOfThe1p3BModelInParts) {
  print_head("1.3B, keys in parts");
  for (const std::int64_t heads : {12, 6, 4, 3, 2, 1}) {
    for (const std::int64_t chunk : {1, 4, 7}) expect_split_attention(heads, 4680, chunk * 4680);
    expect_split_attention(heads, 4680, 32741);  // whatever the count, one part is shorter
    expect_split_attention(heads, 1170, 32760);  // one of four ranks' queries
  }
}

/// Attention of one head within a frame, in those numbers of parts that an H200 tries.
void expect_frame_attention(std::int64_t head_dim, std::int64_t pixels) {
  AttentionShape shape = attention_shape(1, head_dim, pixels, pixels, pixels, false);
  for (const std::int64_t parts : part_counts(shape, 132)) {
    shape.parts = parts;
    expect_plans("attention 1 x " + std::to_string(head_dim) + ", " + std::to_string(pixels) +
                     " queries, keys in " + std::to_string(parts),
                 shape);
  }
}

TEST_F(CudnnSupport, HasPlansForTheAttentionOfVaes) {
  print_head("attention within a frame");
  expect_frame_attention(384, 60 * 104);
  expect_frame_attention(48, 60 * 104);
  expect_frame_attention(64, 16 * 16);  // the demo model's: 4·16 channels, and too short to split
}

TEST_F(CudnnSupport, HasPlansForTheAttentionOfTheDemoModel) {
  print_head("demo model");
  for (const std::int64_t heads : {4, 2, 1}) {
    for (const std::int64_t keys : {192, 384, 576}) {
      expect_attention(heads, 48, 192, keys, 576, false);
    }
    expect_attention(heads, 48, 192, 12, 12, true);
    expect_attention(heads, 48, 192, 32, 32, false);
  }
}

/// Collects convolutions as the VAE has them, each extent once.
struct Convolutions {
  std::vector<std::pair<std::string, ConvolutionShape>> found;

  void add(std::int64_t in, std::int64_t out, std::array<std::int64_t, 3> kernel,
           std::int64_t height, std::int64_t width, bool halves = false) {
    ConvSpec spec{.in_channels = in, .out_channels = out, .kernel = kernel};
    spec.compute = ElementType::bf16;
    if (halves && kernel[0] > 1) {
      spec.stride = {2, 1, 1};
    } else if (halves) {
      spec.stride = {1, 2, 2};
      spec.pad_after = {0, 1, 1};
    } else {
      spec.pad_before = spec.pad_after = {0, kernel[1] / 2, kernel[2] / 2};
    }
    const auto shape = cudnn_shape(spec, {kernel[0], height, width}, true);
    ASSERT_TRUE(shape);
    const std::string name = "convolution " + std::to_string(in) + " to " + std::to_string(out) +
                             ", " + std::to_string(kernel[0]) + std::to_string(kernel[1]) +
                             std::to_string(kernel[2]) + (halves ? " halving" : "") + ", " +
                             std::to_string(width) + "x" + std::to_string(height);
    for (const auto& [other, known] : found) {
      if (known == *shape) return;
    }
    found.emplace_back(name, *shape);
  }

  void residual(std::int64_t in, std::int64_t out, std::int64_t height, std::int64_t width) {
    add(in, out, {3, 3, 3}, height, width);
    add(out, out, {3, 3, 3}, height, width);
  }

  void decoder(const VaeConfig& config, std::int64_t height, std::int64_t width) {
    const std::int64_t middle = config.base_dim * config.dim_mult.back();
    add(config.z_dim, middle, {3, 3, 3}, height, width);
    residual(middle, middle, height, width);
    for (const VaeBlock& block : vae_decoder_blocks(config)) {
      if (block.kind == VaeBlock::Kind::residual) {
        residual(block.in, block.out, height, width);
        continue;
      }
      if (block.kind == VaeBlock::Kind::spatial_temporal) {
        add(block.in, 2 * block.in, {3, 1, 1}, height, width);
      }
      height *= 2;
      width *= 2;
      add(block.in, block.out, {1, 3, 3}, height, width);
    }
    add(config.base_dim, 3, {3, 3, 3}, height, width);
  }

  void encoder(const VaeConfig& config, std::int64_t height, std::int64_t width) {
    add(3, config.base_dim, {3, 3, 3}, height, width);
    for (const VaeBlock& block : vae_encoder_blocks(config)) {
      if (block.kind == VaeBlock::Kind::residual) {
        residual(block.in, block.out, height, width);
        continue;
      }
      add(block.in, block.out, {1, 3, 3}, height, width, true);
      height /= 2;
      width /= 2;
      if (block.kind == VaeBlock::Kind::spatial_temporal) {
        add(block.out, block.out, {3, 1, 1}, height, width, true);
      }
    }
    const std::int64_t middle = config.base_dim * config.dim_mult.back();
    add(middle, 2 * config.z_dim, {3, 3, 3}, height, width);
  }
};

TEST_F(CudnnSupport, HasPlansForThePublishedVae) {
  Convolutions convolutions;
  convolutions.decoder({}, 60, 104);
  convolutions.encoder({}, 480, 832);
  print_head("Wan VAE at 832x480");
  for (const auto& [name, shape] : convolutions.found) expect_plans(name, shape);
}

TEST_F(CudnnSupport, HasPlansForTheVaeOfTheDemoModel) {
  VaeConfig config;
  config.base_dim = 16;
  config.num_res_blocks = 1;
  Convolutions convolutions;
  convolutions.decoder(config, 16, 16);
  print_head("demo model's VAE at 128x128");
  for (const auto& [name, shape] : convolutions.found) expect_plans(name, shape);
}

TEST_F(CudnnSupport, SaysWhyItHasNone) {
  GraphDevice nonsense{nullptr, 90, "no description"};
  const CudnnGraph graph(AttentionShape{.heads = 1, .head_dim = 128, .queries = 8, .keys = 8},
                         nonsense);
  EXPECT_EQ(graph.candidates(), 0);
  EXPECT_FALSE(graph.problem().empty());
}

TEST_F(CudnnSupport, SaysWhyItHasNoneForHeadsThatNoEngineTakes) {
  for (const Gpu& gpu : gpus) {
    const CudnnGraph graph(attention_shape(2, 12, 8, 8, 8, false), described(gpu));
    EXPECT_EQ(graph.candidates(), 0);
    EXPECT_FALSE(graph.problem().empty());
  }
}

}  // namespace
}  // namespace causeway::testing
