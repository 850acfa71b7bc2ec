// Which calls of the catalogue cuDNN is asked to do, and which stay with the plain kernels.
#include "kernels/cudnn_shapes.hpp"

#include <gtest/gtest.h>

#include <set>

namespace causeway::testing {
namespace {

using namespace causeway::kernels;

alignas(64) char memory[64];

/// Attention of one rank of the 1.3B model: 4680 queries, rows of all heads.
AttentionArgs attention_of(std::int64_t heads, std::int64_t head_dim) {
  AttentionArgs args;
  args.layout = {heads, head_dim, 9360, ElementType::bf16};
  args.cache = memory;
  args.valid = 4680;
  args.scale = 0.1f;
  args.q = const_view_of(memory, ElementType::bf16, {4680, heads, head_dim});
  args.y = view_of(memory, ElementType::bf16, {4680, heads, head_dim});
  return args;
}

TEST(CudnnShapes, AttentionOfBf16HasOneWithAllThatAGraphDependsOn) {
  const auto shape = cudnn_shape(attention_of(12, 128));
  ASSERT_TRUE(shape);
  EXPECT_EQ(shape->heads, 12);
  EXPECT_EQ(shape->queries, 4680);
  EXPECT_EQ(shape->keys, 4680);
  EXPECT_EQ(shape->q_token_stride, 12 * 128);
  EXPECT_EQ(shape->q_head_stride, 128);
  EXPECT_EQ(shape->kv_head_stride, 9360 * 128);
  EXPECT_FALSE(shape->has_bias);
  AttentionArgs biased = attention_of(12, 128);
  biased.last_key_bias = 2.0f;
  EXPECT_TRUE(cudnn_shape(biased)->has_bias);
}

TEST(CudnnShapes, AttentionsThatNeedDifferentGraphsHaveDifferentShapes) {
  std::set<AttentionShape> shapes;
  const auto add = [&](auto change) {
    AttentionArgs args = attention_of(4, 64);
    change(args);
    const auto shape = cudnn_shape(args);
    ASSERT_TRUE(shape);
    shapes.insert(*shape);
  };
  add([](AttentionArgs&) {});
  add([](AttentionArgs& args) { args.valid = 9360; });
  add([](AttentionArgs& args) { args.layout.capacity = 18720; });
  add([](AttentionArgs& args) { args.scale = 0.2f; });
  add([](AttentionArgs& args) { args.last_key_bias = 1.0f; });
  add([](AttentionArgs& args) { args.q.stride[0] += 64; });
  add([](AttentionArgs& args) { args.y.stride[0] += 64; });
  add([](AttentionArgs& args) { args.q.stride[1] = 72; });
  add([](AttentionArgs& args) { args.q.shape[0] = args.y.shape[0] = 100; });
  EXPECT_EQ(shapes.size(), 9u);
  add([](AttentionArgs& args) { args.last_key_bias = 3.0f; });  // its value is no part of the graph
  EXPECT_EQ(shapes.size(), 9u);
}

TEST(CudnnShapes, WhatTheLibraryCannotDoStaysPlain) {
  const auto stays = [](auto change) {
    AttentionArgs args = attention_of(4, 64);
    change(args);
    return !cudnn_shape(args);
  };
  EXPECT_TRUE(stays([](AttentionArgs& args) {
    args.layout.type = args.q.type = args.y.type = ElementType::f32;
  }));
  EXPECT_TRUE(stays([](AttentionArgs& args) { args.y.type = ElementType::f32; }));
  EXPECT_TRUE(stays([](AttentionArgs& args) { args.q.stride[0] += 2; }));
  EXPECT_TRUE(stays([](AttentionArgs& args) { args.q.data = memory + 2; }));
  EXPECT_TRUE(stays([](AttentionArgs& args) { args.cache = memory + 8; }));
  EXPECT_TRUE(stays([](AttentionArgs& args) { args.valid = 9361; }));
  EXPECT_TRUE(cudnn_shape(attention_of(1, 384))) << "the VAE's";
  EXPECT_FALSE(cudnn_shape(attention_of(1, 6)));
  EXPECT_TRUE(cudnn_shape(attention_of(4, 48))) << "the demo model's";
}

TEST(CudnnShapes, ConvolutionsOfBf16HaveOneForEveryExtent) {
  ConvSpec spec{.in_channels = 96, .out_channels = 96, .kernel = {3, 3, 3}};
  spec.pad_before = spec.pad_after = {0, 1, 1};
  EXPECT_FALSE(cudnn_shape(spec, {3, 60, 104}, true)) << "f32";
  spec.compute = ElementType::bf16;
  const auto shape = cudnn_shape(spec, {3, 60, 104}, true);
  ASSERT_TRUE(shape);
  EXPECT_EQ(shape->output, (std::array<std::int64_t, 3>{1, 60, 104}));
  EXPECT_NE(shape, cudnn_shape(spec, {3, 60, 104}, false));
  EXPECT_NE(shape, cudnn_shape(spec, {3, 104, 60}, true));
  EXPECT_FALSE(cudnn_shape(spec, {2, 60, 104}, true)) << "smaller than the kernel";
}

}  // namespace
}  // namespace causeway::testing
