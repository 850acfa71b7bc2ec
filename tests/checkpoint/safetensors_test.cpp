// Tests of safetensors files and their indices: what is read, and everything that must be refused.
#include "checkpoint/safetensors.hpp"

#include <gtest/gtest.h>

#include "checkpoint_files.hpp"

namespace causeway {
namespace {

using testing::expect_file_refused;
using testing::fixture;
using testing::little_endian;
using testing::safetensors_bytes;
using testing::shape_of;
using testing::TemporaryFolder;

using Shape = std::vector<std::int64_t>;

TEST(Safetensors, are_read_in_every_type_that_the_library_writes) {
  const auto store = open_tensor_file(fixture("types.safetensors"));
  EXPECT_EQ(store->names(), (std::vector<std::string>{"bf16", "bool", "empty", "f16", "f32", "f64",
                                                      "i32", "i64", "scalar", "u8"}));
  EXPECT_EQ(shape_of(store->at("f32")), (Shape{2, 3}));
  EXPECT_EQ(shape_of(store->at("bf16")), (Shape{3, 1, 2}));
  EXPECT_EQ(shape_of(store->at("scalar")), Shape{});
  EXPECT_EQ(shape_of(store->at("empty")), (Shape{0, 4}));
  EXPECT_TRUE(testing::holds_numbers(store->at("f32"), 0));
  EXPECT_TRUE(testing::holds_numbers(store->at("f16"), 1));
  EXPECT_TRUE(testing::holds_numbers(store->at("bf16"), 2));
  EXPECT_TRUE(testing::holds_numbers(store->at("scalar"), 3));
  EXPECT_EQ(store->at("bf16").bytes, 12u);
  EXPECT_EQ(store->find("i64")->view.type, ElementType::i64);
  EXPECT_EQ(store->find("bool")->view.type, ElementType::u8);
}

TEST(Safetensors, lose_the_prefix_of_repackaged_files) {
  const auto store = open_tensor_file(fixture("repackaged.safetensors"));
  ASSERT_NE(store->find("part2.weight"), nullptr);
  EXPECT_EQ(store->find("part2.weight")->stored_name, "model.diffusion_model.part2.weight");
  EXPECT_TRUE(testing::holds_numbers(store->at("part2.weight"), 2));
}

TEST(Safetensors, may_begin_at_an_odd_address) {
  const TemporaryFolder folder;
  const std::string header = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  for (std::size_t spaces = 0; spaces < 4; ++spaces) {
    const auto path = folder.write("odd.safetensors",
                                   safetensors_bytes(header + std::string(spaces, ' '),
                                                     little_endian(1.5f) + little_endian(-2.0f)));
    const auto store = open_tensor_file(path);
    const ContiguousTensor whole = contiguous(store->at("w"));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(whole.view.data) % 4, 0u);
    EXPECT_EQ(testing::values_of(store->at("w")), (std::vector<float>{1.5f, -2.0f}));
  }
}

/// A header with 8 bytes of data, and a part of the message it must give.
struct BadHeader {
  const char* header;
  const char* message;
};

class SafetensorsHeader : public ::testing::TestWithParam<BadHeader> {};

TEST_P(SafetensorsHeader, is_refused) {
  const TemporaryFolder folder;
  const auto path =
      folder.write("bad.safetensors", safetensors_bytes(GetParam().header, std::string(8, '\0')));
  expect_file_refused(path, {GetParam().message});
}

INSTANTIATE_TEST_SUITE_P(
    Bad, SafetensorsHeader,
    ::testing::Values(
        BadHeader{"", "not valid JSON"}, BadHeader{"{", "not valid JSON"},
        BadHeader{"{} {}", "not valid JSON"}, BadHeader{"\xff", "not valid JSON"},
        BadHeader{"{\"\xff\": 1}", "not valid JSON"}, BadHeader{"[]", "not an object of tensors"},
        BadHeader{"3", "not an object of tensors"},
        BadHeader{R"({"w": 3})", "not an object of tensors"},
        BadHeader{R"({"w": null})", "not an object of tensors"},
        BadHeader{R"({"w": {}})", "does not give dtype, shape and data_offsets of tensor 'w'"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[2]}})", "does not give"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":"y"}})",
                  "unknown way"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[2],"shape":[2]}})",
                  "'shape' of tensor 'w' twice"},
        BadHeader{R"({"w": {"dtype":"F32","shape":{},"data_offsets":[0,8]}})", "unknown way"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", "unknown way"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", "unknown way"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", "unknown way"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[1e999],"data_offsets":[0,8]}})",
                  "not valid JSON"},
        BadHeader{R"({"w": {"dtype":"F32","shape":["2"],"data_offsets":[0,8]}})", "unknown way"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[2],"data_offsets":[8]}})", "unknown way"},
        BadHeader{R"({"w": {"dtype":32,"shape":[2],"data_offsets":[0,8]}})", "unknown way"},
        BadHeader{R"({"w": {"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}})", "'F8_E4M3'"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[1,1,1,1,1,1,2],"data_offsets":[0,8]}})",
                  "more than 6 numbers"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", "do not agree"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[4611686018427387904,2],"data_offsets":[0,8]}})",
                  "do not agree"},
        BadHeader{
            R"({"w": {"dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[0,0]}})",
            "do not agree"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}})",
                  "a size of 9223372036854775808"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
                  "lies at bytes 8 to 16"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[2],"data_offsets":[8,0]}})",
                  "lies at bytes 8 to 0"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[2],"data_offsets":[18446744073709551608,0]}})",
                  "lies at bytes"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "leaves a gap"},
        BadHeader{R"({"w": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                  "tensors end at byte 4"},
        BadHeader{R"({"a": {"dtype":"F32","shape":[2],"data_offsets":[0,8]},
                      "b": {"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                  "leaves an overlap"},
        BadHeader{R"({"a": {"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                      "a": {"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                  "names tensor 'a' twice"},
        BadHeader{R"({"__metadata__": {"a": {"b": "c"}}})", "unknown way"},
        BadHeader{R"({"__metadata__": {"a": ["b"]}})", "unknown way"},
        BadHeader{R"({"__metadata__": "text"})", "not an object of tensors"}));

TEST(Safetensors, are_refused_where_the_header_does_not_fit) {
  const TemporaryFolder folder;
  const auto refuse = [&](const std::string& bytes, const std::string& message) {
    expect_file_refused(folder.write("bad.safetensors", bytes), {message});
  };
  refuse("", "has 0 bytes");
  refuse("1234567", "has 7 bytes");
  refuse(little_endian<std::uint64_t>(100), "past the end");
  refuse(little_endian<std::uint64_t>(3) + "{}", "past the end");
  refuse(little_endian<std::uint64_t>(100000001) + "{}", "at most 100000000");
  refuse(little_endian<std::uint64_t>(~std::uint64_t{0}) + "{}", "at most 100000000");
  refuse(safetensors_bytes("{}", ""), "holds no tensors");
  refuse(safetensors_bytes(R"({"__metadata__": {"a": "b"}})", ""), "holds no tensors");
  refuse("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull");
  refuse("<!DOCTYPE html><html></html>", "not a safetensors file");
}

TEST(Safetensors, of_hostile_depth_or_length_are_refused_quickly) {
  const TemporaryFolder folder;
  const std::string brackets(1000000, '[');
  std::string braces;
  for (int i = 0; i < 200000; ++i) braces += R"({"a":)";
  expect_file_refused(folder.write("a.safetensors", safetensors_bytes(brackets, "")),
                      {"the header"});
  expect_file_refused(folder.write("b.safetensors", safetensors_bytes(braces, "")), {"the header"});
  expect_file_refused(folder.write("c.index.json", brackets), {"the index"});
  expect_file_refused(folder.write("d.index.json", braces), {"nested more than 32 deep"});
  // A name of a million letters must not fill the screen.
  const std::string name(1000000, 'n');
  const auto path =
      folder.write("e.safetensors", safetensors_bytes(R"({")" + name + R"(":{}})", ""));
  try {
    open_tensor_file(path);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_LT(std::string(error.what()).size(), 600u);
  }
}

TEST(Safetensors, that_are_truncated_anywhere_are_refused) {
  const TemporaryFolder folder;
  const std::string whole = testing::read_file(fixture("types.safetensors"));
  for (std::size_t length = 0; length < whole.size(); length += length < 32 ? 1 : 17) {
    expect_file_refused(folder.write("cut.safetensors", whole.substr(0, length)), {});
  }
  expect_file_refused(folder.write("cut.safetensors", whole.substr(0, whole.size() - 1)),
                      {"truncated"});
}

TEST(ShardedSafetensors, are_one_store) {
  const auto store = open_tensor_file(fixture("sharded/model.safetensors.index.json"));
  EXPECT_EQ(store->names().size(), 6u);
  EXPECT_EQ(store->files().size(), 3u);
  for (int k = 0; k < 6; ++k) {
    EXPECT_TRUE(
        testing::holds_numbers(store->at("layer" + std::to_string(k) + ".weight", {4, 4}), k));
  }
}

/// A folder with one shard "a.safetensors" of tensors "w" and "v", and an index of this text.
std::string write_index(const TemporaryFolder& folder, const std::string& json) {
  const std::string header = R"({"v":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})";
  folder.write("a.safetensors", safetensors_bytes(header, "12"));
  return folder.write("model.safetensors.index.json", json);
}

TEST(ShardedSafetensors, accept_metadata_of_any_kind) {
  const TemporaryFolder folder;
  const auto path =
      write_index(folder, R"({"metadata": {"total_size": 2, "x": [1.5, null, {"y": "z"}]},
    "weight_map": {"v": "a.safetensors", "w": "a.safetensors"}})");
  EXPECT_EQ(open_tensor_file(path)->names(), (std::vector<std::string>{"v", "w"}));
}

TEST(ShardedSafetensors, are_refused_where_index_and_shards_differ) {
  const TemporaryFolder folder;
  const auto refuse = [&](const std::string& json, const std::vector<std::string>& messages) {
    expect_file_refused(write_index(folder, json), messages);
  };
  refuse(R"({"weight_map": {"v": "a.safetensors", "w": "b.safetensors"}})",
         {"b.safetensors' is missing"});
  refuse(R"({"weight_map": {"v": "a.safetensors"}})",
         {"'w' lies in 'a.safetensors'", "does not say so"});
  refuse(R"({"weight_map": {"v": "a.safetensors", "w": "a.safetensors", "u": "a.safetensors"}})",
         {"'u' is not in its shard 'a.safetensors'"});
  refuse(R"({"weight_map": {"v": "a.safetensors", "v": "a.safetensors"}})", {"'v' twice"});
  for (const char* name : {"../a.safetensors", "/etc/passwd", "sub/a.safetensors", "..", ".", "",
                           "..\\\\a.safetensors", "a.safetensors\\u0000"}) {
    refuse(std::string(R"({"weight_map": {"v": ")") + name + R"(", "w": "a.safetensors"}})",
           {"'v'", "beside the index"});
  }
}

TEST(ShardedSafetensors, are_refused_where_the_index_is_malformed) {
  const TemporaryFolder folder;
  const auto refuse = [&](const std::string& json, const std::string& message) {
    expect_file_refused(write_index(folder, json), {message});
  };
  refuse("", "not valid JSON");
  refuse("[]", "not an object");
  refuse("3", "not an object");
  refuse("{}", "no weight_map");
  refuse(R"({"weight_map": 3})", "not tensor: file name");
  refuse(R"({"weight_map": []})", "not tensor: file name");
  refuse(R"({"weight_map": "a"})", "not tensor: file name");
  refuse(R"({"weight_map": {"v": 3}})", "not tensor: file name");
  refuse(R"({"weight_map": {"v": {}}})", "not tensor: file name");
  refuse(R"({"weight_map": {}, "weight_map": {}})", "two weight_maps");
  refuse(R"({"weight_map": {}})", "holds no tensors");
}

}  // namespace
}  // namespace causeway
