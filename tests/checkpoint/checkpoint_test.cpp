// Tests of what every tensor store does: helpful lookups, type and shape checks, exact comparison.
#include "checkpoint/checkpoint.hpp"

#include <gtest/gtest.h>

#include "checkpoint/mapped_store.hpp"
#include "checkpoint_files.hpp"

namespace causeway {
namespace {

using testing::expect_refused;
using testing::fixture;

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

TEST(TensorStore, names_the_nearest_tensors_where_one_is_missing) {
  const auto store = open_tensor_file(fixture("sharded/model.safetensors.index.json"));
  expect_refused([&] { store->at("layer2.wieght"); }, {"'layer2.wieght' is missing", "6 tensors",
                                                       "'layer2.weight'", "model-00001-of-00003"});
}

TEST(TensorStore, refuses_a_wrong_shape_with_both_shapes) {
  const auto store = open_tensor_file(fixture("types.safetensors"));
  expect_refused(
      [&] {
        store->at("f32", {3, 2});
      },
      {"'f32'", "types.safetensors", "[2, 3] (expected [3, 2])"});
  expect_refused([&] { store->at("f32", {2, 3, 1}); }, {"(expected [2, 3, 1])"});
}

TEST(TensorStore, refuses_the_use_of_types_that_are_no_weights) {
  const auto store = open_tensor_file(fixture("types.safetensors"));
  for (const char* name : {"i64", "i32", "f64", "u8", "bool"}) {
    ASSERT_NE(store->find(name), nullptr);
    expect_refused([&] { store->at(name); }, {name, "f32, f16 or bf16"});
  }
}

TEST(TensorStore, compares_names_and_shapes_exactly) {
  const auto store = open_tensor_file(fixture("student_only.pt"));
  const Shapes right = {
      {"blocks.0.weight", {2, 3}}, {"blocks.1.weight", {2, 3}}, {"blocks.2.weight", {2, 3}}};
  EXPECT_NO_THROW(store->check_exactly(right));
  Shapes wrong = right;
  wrong.erase("blocks.0.weight");
  wrong["blocks.1.weight"] = {3, 2};
  wrong["blocks.3.weight"] = {2, 3};
  expect_refused(
      [&] { store->check_exactly(wrong); },
      {"3 differences", "extra: 'blocks.0.weight' of shape [2, 3]", "misshapen: 'blocks.1.weight'",
       "has shape [2, 3] (expected [3, 2])", "missing: 'blocks.3.weight' of shape [2, 3]"});
}

TEST(TensorStore, caps_a_long_list_of_differences) {
  const auto store = open_tensor_file(fixture("student_only.pt"));
  Shapes expected;
  for (int i = 0; i < 100; ++i) expected["absent." + std::to_string(i)] = {1};
  expect_refused([&] { store->check_exactly(expected); }, {"103 differences", "and 83 more"});
}

TEST(TensorStore, keeps_its_data_after_its_pages_were_released) {
  const auto store = open_tensor_file(fixture("sharded/model.safetensors.index.json"));
  for (const auto& name : store->names()) {
    const auto& tensor = store->at(name);
    const auto before = testing::values_of(tensor);
    store->release_pages(tensor);
    EXPECT_EQ(testing::values_of(tensor), before);
  }
}

TEST(TensorStore, refuses_names_that_collide_without_their_prefix) {
  const testing::TemporaryFolder folder;
  std::string header = "{";
  for (const char* name : {"model.a", "model.b", "model.c", "a"}) {
    header += std::string(header.size() == 1 ? "" : ",") + "\"" + name +
              R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  }
  const auto path = folder.write("a.safetensors", testing::safetensors_bytes(header + "}", ""));
  expect_refused([&] { open_tensor_file(path); }, {"two tensors are named 'a'", "'model.a'"});
}

TEST(Contiguous, copies_any_strides) {
  // Element (i, j, k) of [2, 3, 4], stored with the axes in another order and a gap.
  std::vector<float> memory(64, -1.0f);
  StoredTensor tensor;
  tensor.view = const_view_of(memory.data(), ElementType::f32, {2, 3, 4});
  tensor.view.stride = {1, 20, 4};
  tensor.bytes = 96;
  std::vector<float> expected;
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 3; ++j) {
      for (int k = 0; k < 4; ++k) {
        expected.push_back(static_cast<float>(100 * i + 10 * j + k));
        memory[static_cast<std::size_t>(i + 20 * j + 4 * k)] = expected.back();
      }
    }
  }
  const ContiguousTensor whole = contiguous(tensor);
  EXPECT_TRUE(whole.view.is_contiguous());
  EXPECT_EQ(whole.view.data, whole.copy.data());
  EXPECT_EQ(testing::values_of(tensor), expected);
  EXPECT_EQ(extent_bytes(tensor.view), 4u * (1 + 1 + 2 * 20 + 3 * 4));
}

TEST(Contiguous, uses_the_file_in_place_where_it_can) {
  const auto store = open_tensor_file(fixture("module.pth"));
  const auto& tensor = store->at("0.weight");
  const ContiguousTensor whole = contiguous(tensor);
  EXPECT_TRUE(whole.copy.empty());
  EXPECT_EQ(whole.view.data, tensor.view.data);
}

}  // namespace
}  // namespace causeway
