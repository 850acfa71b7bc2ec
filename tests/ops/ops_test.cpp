// The verbs refuse shapes and types that do not fit before a kernel sees them.
#include "ops/ops.hpp"

#include <gtest/gtest.h>

#include "ops/backend.hpp"

namespace causeway {
namespace {

class OpsContract : public ::testing::Test {
 protected:
  Ops ops_ = open_backend(false);
};

TEST_F(OpsContract, LinearChecksWidthsTypesAndGate) {
  Tensor weight = Tensor::zeros(ElementType::f32, {6, 4}),
         x = Tensor::zeros(ElementType::f32, {3, 4});
  Tensor narrow = Tensor::zeros(ElementType::f32, {3, 5}),
         y = Tensor::zeros(ElementType::f32, {3, 6});
  Tensor half = Tensor::zeros(ElementType::bf16, {3, 4});
  const LinearWeight packed = ops_.pack(weight.view(), {}, ElementType::f32);
  EXPECT_EQ(packed.outputs(), 6);
  EXPECT_EQ(packed.inputs(), 4);
  EXPECT_NO_THROW(ops_.linear(x.view(), packed, y.view()));
  EXPECT_THROW(ops_.linear(narrow.view(), packed, y.view()), Error);
  EXPECT_THROW(ops_.linear(half.view(), packed, y.view()), Error);
  EXPECT_THROW(ops_.linear(x.view(), packed, narrow.view()), Error);
  const float gate[6] = {};
  EXPECT_THROW(ops_.linear(x.view(), packed, y.view(), {.gate = gate}), Error);
}

TEST_F(OpsContract, ALinearLayerAndItsNormCheckBoth) {
  const Tensor weight = Tensor::zeros(ElementType::bf16, {6, 6});
  Tensor x = Tensor::zeros(ElementType::bf16, {3, 6}),
         normed = Tensor::zeros(ElementType::bf16, {3, 6});
  Tensor y = Tensor::zeros(ElementType::f32, {3, 6}),
         narrow = Tensor::zeros(ElementType::f32, {3, 5});
  const LinearWeight packed = ops_.pack(weight.view(), {}, ElementType::bf16);
  const float ones[6] = {1, 1, 1, 1, 1, 1};
  const LayerNorm norm{.scale = ones, .shift = ones};
  const auto add = [&](Tensor& from, Tensor& to, Tensor& target) {
    ops_.linear_norm(from.view(), packed, ones, to.view(), norm, target.view());
  };
  EXPECT_NO_THROW(add(x, y, normed));
  Tensor none = Tensor::zeros(ElementType::bf16, {0, 6}),
         sum = Tensor::zeros(ElementType::f32, {0, 6});
  EXPECT_NO_THROW(add(none, sum, none)) << "a rank without tokens";
  EXPECT_THROW(add(x, y, x), Error) << "the norm over the input";
  EXPECT_THROW(add(x, normed, normed), Error) << "a sum in bf16";
  EXPECT_THROW(add(x, narrow, normed), Error);
  EXPECT_THROW(add(x, y, narrow), Error);
}

TEST_F(OpsContract, TheCacheChecksSlotsAndHeads) {
  KvStorage kv = ops_.make_kv({2, 8, 10, ElementType::f32});
  Tensor k = Tensor::zeros(ElementType::f32, {4, 2, 8}),
         wrong = Tensor::zeros(ElementType::f32, {4, 3, 8});
  EXPECT_NO_THROW(ops_.kv_store(kv, k.view(), k.view(), 6));
  EXPECT_THROW(ops_.kv_store(kv, k.view(), k.view(), 7), Error);
  EXPECT_THROW(ops_.kv_store(kv, wrong.view(), wrong.view(), 0), Error);
  Tensor y = Tensor::zeros(ElementType::f32, {4, 2, 8});
  EXPECT_THROW(ops_.attention(kv, 0, k.view(), 1.0f, 0.0f, y.view()), Error);
  EXPECT_THROW(ops_.attention(kv, 11, k.view(), 1.0f, 0.0f, y.view()), Error);
}

TEST_F(OpsContract, ReshapingNeedsEqualSizeAndColumnsLieInside) {
  Tensor x = Tensor::zeros(ElementType::f32, {4, 6});
  EXPECT_EQ(reshaped(x.view(), {2, 12}).shape[1], 12);
  EXPECT_THROW(reshaped(x.view(), {5, 5}), Error);
  EXPECT_EQ(columns(x.view(), 2, 3).data, x.f32() + 2);
  EXPECT_THROW(columns(x.view(), 4, 3), Error);
}

TEST_F(OpsContract, PlanesOfFramesHaveEvenSidesAndThreeHalvesOfAByteAPixel) {
  const Tensor x = Tensor::zeros(ElementType::f32, {2, 4, 6, 3}),
               odd = Tensor::zeros(ElementType::f32, {2, 4, 5, 3});
  Tensor y = Tensor::zeros(ElementType::u8, {2, 36}),
         narrow = Tensor::zeros(ElementType::u8, {2, 30});
  ops_.frames_to_yuv420p(x.view(), y.view());
  EXPECT_EQ(static_cast<const std::uint8_t*>(y.data())[24], 128);
  EXPECT_THROW(ops_.frames_to_yuv420p(odd.view(), narrow.view()), Error);
  EXPECT_THROW(ops_.frames_to_yuv420p(x.view(), narrow.view()), Error);
}

TEST_F(OpsContract, AskingForCudaWhereThereIsNoneIsAnErrorOfTheDeviceThatSaysWhatIsMissing) {
  try {
    open_backend(true);
    GTEST_SKIP() << "this machine has a GPU";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::device);
    const std::string what = error.what();
    const char* missing = kernels::cuda_kernels(true) == nullptr ? "this build has none" : "no GPU";
    EXPECT_NE(what.find(missing), std::string::npos) << what;
  }
}

}  // namespace
}  // namespace causeway
