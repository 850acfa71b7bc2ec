// Tests of `.pt` files: those that PyTorch wrote, and those that an attacker might.
#include "checkpoint/torch_file.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "checkpoint_files.hpp"

namespace causeway {
namespace {

using testing::expect_file_refused;
using testing::fixture;
using testing::fixture_number;
using testing::holds_numbers;
using testing::pickled_dictionary;
using testing::pickled_integer;
using testing::pickled_text;
using testing::PickledTensor;
using testing::shape_of;
using testing::TemporaryFolder;
using testing::torch_bytes;
using testing::values_of;

using Shape = std::vector<std::int64_t>;

TEST(TorchFile, prefers_the_averaged_generator_and_strips_its_prefix) {
  const auto store = open_tensor_file(fixture("self_forcing.pt"));
  EXPECT_EQ(store->names(),
            (std::vector<std::string>{"blocks.0.weight", "blocks.1.weight", "blocks.2.weight"}));
  EXPECT_EQ(store->at("blocks.1.weight").stored_name, "model.blocks.1.weight");
  for (int k = 0; k < 3; ++k) {
    const auto& tensor = store->at("blocks." + std::to_string(k) + ".weight", {2, 3});
    auto expected = values_of(tensor);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] = fixture_number(static_cast<std::int64_t>(i), k) + 1;
    }
    EXPECT_EQ(values_of(tensor), expected);
  }
}

TEST(TorchFile, takes_the_generator_where_the_averaged_one_is_empty) {
  const auto store = open_tensor_file(fixture("student_only.pt"));
  EXPECT_TRUE(holds_numbers(store->at("blocks.2.weight", {2, 3}), 2));
}

TEST(TorchFile, takes_the_top_level_of_a_module_with_metadata) {
  const auto store = open_tensor_file(fixture("module.pth"));
  EXPECT_EQ(store->names().size(), 7u);
  EXPECT_TRUE(holds_numbers(store->at("0.weight", {2, 3}), 0));
  EXPECT_TRUE(holds_numbers(store->at("0.bias", {2}), 1));
  EXPECT_EQ(store->at("0.weight").view.type, ElementType::bf16);
  EXPECT_EQ(store->find("1.num_batches_tracked")->view.type, ElementType::i64);
  EXPECT_EQ(shape_of(*store->find("1.num_batches_tracked")), Shape{});
}

TEST(TorchFile, unwraps_parameters_and_tensors_with_attributes) {
  const auto store = open_tensor_file(fixture("parameters.pt"));
  EXPECT_EQ(store->names(), (std::vector<std::string>{"parameter", "tagged"}));
  EXPECT_TRUE(holds_numbers(store->at("parameter", {2, 2}), 0));
  EXPECT_TRUE(holds_numbers(store->at("tagged", {2, 2}), 1));
}

TEST(TorchFile, honours_offsets_and_strides_of_views) {
  const auto store = open_tensor_file(fixture("views.pt"));
  // Base: [4, 5] of number 0. What an index of the view is in the base:
  const auto check = [&](const char* name, const Shape& shape, auto base_index) {
    const auto& tensor = store->at(name, shape);
    const auto values = values_of(tensor);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto n = static_cast<std::int64_t>(i);
      EXPECT_EQ(values[i], fixture_number(base_index(n), 0)) << name << " element " << i;
    }
  };
  check("whole", {4, 5}, [](std::int64_t i) { return i; });
  check("transposed", {5, 4}, [](std::int64_t i) { return i % 4 * 5 + i / 4; });
  check("rows", {3, 5}, [](std::int64_t i) { return i + 5; });
  check("columns", {4, 2}, [](std::int64_t i) { return i / 2 * 5 + 1 + i % 2; });
  check("every_second", {2, 3}, [](std::int64_t i) { return i / 3 * 10 + i % 3 * 2; });
  check("element", {}, [](std::int64_t) { return 13; });
  check("nothing", {0, 5}, [](std::int64_t i) { return i; });
  check("cube", {5, 2, 2}, [](std::int64_t i) { return i % 4 * 5 + i / 4; });
  check("long_axis_of_one", {1, 4}, [](std::int64_t i) { return i * 5; });
  const auto half = values_of(store->at("half_transposed", {5, 4}));
  EXPECT_EQ(half[1], fixture_number(5, 1));
  // All of one storage, not copies of it.
  const auto* base = static_cast<const char*>(store->at("whole").view.data);
  EXPECT_EQ(static_cast<const char*>(store->at("rows").view.data) - base, 20);
  EXPECT_FALSE(store->at("transposed").view.is_contiguous());
  EXPECT_TRUE(contiguous(store->at("rows")).copy.empty());
  EXPECT_FALSE(contiguous(store->at("transposed")).copy.empty());
}

TEST(TorchFile, says_what_is_wrong_with_files_of_other_kinds) {
  expect_file_refused(fixture("old_format.pt"), {"older than 1.6"});
  expect_file_refused(fixture("bare_tensor.pt"), {"holds no dictionary"});
  expect_file_refused(fixture("critic_only.pt"), {"generator_ema", "critic, step"});
  expect_file_refused(fixture("expanded.pt"), {"'expanded'", "contiguous()"});
}

TEST(TorchFile, that_is_truncated_anywhere_is_refused) {
  const TemporaryFolder folder;
  const std::string whole = testing::read_file(fixture("module.pth"));
  for (std::size_t length = 0; length < whole.size(); length += length < 64 ? 1 : 23) {
    expect_file_refused(folder.write("cut.pt", whole.substr(0, length)), {});
  }
  expect_file_refused(folder.write("cut.pt", whole.substr(0, whole.size() - 1)), {"truncated"});
}

TEST(TorchFile, is_read_from_the_tests_own_builder) {
  const TemporaryFolder folder;
  const auto store = open_tensor_file(
      folder.write("a.pt", torch_bytes(pickled_dictionary(PickledTensor{}.bytes()))));
  EXPECT_EQ(values_of(store->at("w", {2, 3})), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST(TorchFile, accepts_little_endian_only) {
  const TemporaryFolder folder;
  const std::string pickle = pickled_dictionary(PickledTensor{}.bytes());
  const auto with_order = [&](const std::string& order) {
    return folder.write("a.pt", torch_bytes(pickle, {{"any/byteorder", order, 0, 0, ""}}));
  };
  EXPECT_EQ(open_tensor_file(with_order("little"))->names().size(), 1u);
  expect_file_refused(with_order("big"), {"byte order 'big'"});
}

TEST(TorchFile, needs_one_pickle_in_one_folder) {
  const TemporaryFolder folder;
  const std::string pickle = pickled_dictionary(PickledTensor{}.bytes());
  expect_file_refused(folder.write("a.pt", testing::zip_bytes({{"data.pkl", pickle, 0, 0, ""}})),
                      {"0 members"});
  expect_file_refused(
      folder.write("a.pt", testing::zip_bytes({{"a/b/data.pkl", pickle, 0, 0, ""}})),
      {"0 members"});
  expect_file_refused(
      folder.write("a.pt", torch_bytes(pickle, {{"other/data.pkl", pickle, 0, 0, ""}})),
      {"2 members"});
}

/// A tensor whose numbers lie, and a part of the message it must give.
struct BadTensor {
  PickledTensor tensor;
  const char* message;
};

class TorchTensor : public ::testing::TestWithParam<BadTensor> {};

TEST_P(TorchTensor, is_refused) {
  const TemporaryFolder folder;
  const auto path =
      folder.write("bad.pt", torch_bytes(pickled_dictionary(GetParam().tensor.bytes())));
  expect_file_refused(path, {GetParam().message});
}

constexpr std::int64_t huge = std::int64_t{1} << 62;

INSTANTIATE_TEST_SUITE_P(
    Bad, TorchTensor,
    ::testing::Values(
        BadTensor{{"FloatStorage", "0", 6, 1, {2, 3}, {3, 1}}, "'w' of shape [2, 3]"},
        BadTensor{{"FloatStorage", "0", 6, 0, {2, 3}, {4, 1}}, "leaves its storage"},
        BadTensor{{"FloatStorage", "0", 6, 0, {2, 3}, {3, huge}}, "leaves its storage"},
        BadTensor{{"FloatStorage", "0", 6, 0, {7}, {1}}, "leaves its storage"},
        BadTensor{{"FloatStorage", "0", 6, 6, {}, {}}, "leaves its storage"},
        BadTensor{{"FloatStorage", "0", 6, huge, {2}, {1}}, "leaves its storage"},
        BadTensor{{"FloatStorage", "0", 6, -1, {2}, {1}}, "leaves its storage"},
        BadTensor{{"FloatStorage", "0", 6, 0, {huge, 4}, {0, 0}}, "leaves its storage"},
        BadTensor{{"FloatStorage", "0", 6, 0, {0, huge, huge}, {0, 0, 0}}, "leaves its storage"},
        BadTensor{{"FloatStorage", "0", 6, 0, {1000000, 1000000}, {0, 0}}, "repeats the elements"},
        BadTensor{{"FloatStorage", "0", 6, 0, {-2, 3}, {3, 1}}, "has shape that are not whole"},
        BadTensor{{"FloatStorage", "0", 6, 0, {2, 3}, {-3, 1}}, "has strides that are not whole"},
        BadTensor{{"FloatStorage", "0", 6, 0, {2, 3}, {1}}, "another number of strides"},
        BadTensor{{"FloatStorage", "0", 6, 0, {1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1}},
                  "7 axes"},
        BadTensor{{"FloatStorage", "0", 7, 0, {2, 3}, {3, 1}}, "claims a storage of 7 elements"},
        BadTensor{{"FloatStorage", "0", huge, 0, {2, 3}, {3, 1}}, "claims a storage"},
        BadTensor{{"FloatStorage", "0", -6, 0, {2, 3}, {3, 1}}, "storage of an unknown kind"},
        BadTensor{{"DoubleStorage", "0", 6, 0, {2, 3}, {3, 1}},
                  "claims a storage of 6 elements of f64"},
        BadTensor{{"FloatStorage", "1", 6, 0, {2, 3}, {3, 1}}, "lacks the member 'any/data/1'"},
        BadTensor{{"FloatStorage", "../data.pkl", 6, 0, {2, 3}, {3, 1}}, "lacks the member"},
        BadTensor{{"ComplexFloatStorage", "0", 6, 0, {2, 3}, {3, 1}},
                  "torch.ComplexFloatStorage"}));

/// A pickle as a whole, and a part of the message it must give.
struct BadPickle {
  std::string pickle;
  const char* message;
};

class TorchPickle : public ::testing::TestWithParam<BadPickle> {};

TEST_P(TorchPickle, is_refused) {
  const TemporaryFolder folder;
  expect_file_refused(folder.write("bad.pt", torch_bytes(GetParam().pickle)), {GetParam().message});
}

std::string start() { return "\x80\x02"; }
std::string a_tensor() { return PickledTensor{}.bytes(); }

INSTANTIATE_TEST_SUITE_P(
    Bad, TorchPickle,
    ::testing::Values(
        BadPickle{"", "truncated"}, BadPickle{start(), "truncated"}, BadPickle{".", "stops before"},
        BadPickle{start() + "N.", "no dictionary"}, BadPickle{start() + "NN.", "stops before"},
        BadPickle{start() + "(}.", "stops before"}, BadPickle{"\x80\x04}.", "protocol 4"},
        BadPickle{start() + "}q", "truncated"},
        BadPickle{start() + "q" + std::string(1, '\0'), "stack is empty"},
        BadPickle{start() + "h\x05.", "memo 5 was never set"},
        BadPickle{start() + "j\xff\xff\xff\xff.", "memo 4294967295"},
        BadPickle{start() + "X\xff\xff\xff\xff"
                            "abc",
                  "truncated"},
        BadPickle{start() + "X\x01" + std::string(3, '\0') + "\xff.", "not UTF-8"},
        BadPickle{start() + "ctorch", "truncated"},
        BadPickle{start() + "ctorch\nFloat", "truncated"},
        BadPickle{start() + "t.", "mark is missing"},
        BadPickle{start() + "}(u.", "no tensors under"}, BadPickle{start() + "}N(u.", "takes none"},
        BadPickle{start() + "}(Nu.", "a key has no value"},
        BadPickle{start() + "](NNu.", "takes none"}, BadPickle{start() + "}(Ne.", "takes none"},
        BadPickle{start() + "N(NNu.", "takes none"}, BadPickle{start() + "(a.", "stack is empty"},
        BadPickle{start() + "\x85.", "stack is empty"},
        BadPickle{start() + "N(N\x86.", "stack is empty"}, BadPickle{start() + "NNb.", "has none"},
        BadPickle{start() + "N)R.", "not a global"},
        BadPickle{start() + "ctorch\nTensor\nNR.", "tuple"},
        BadPickle{start() + "ccollections\nOrderedDict\n(Nt" + "R.", "from arguments"},
        BadPickle{start() + "}Q.", "no dictionary"},
        // The classic attacks, and opcodes that PyTorch never writes.
        BadPickle{start() + "cos\nsystem\n(" + pickled_text("touch owned") + "tR.", "'os.system'"},
        BadPickle{start() + "cposix\nsystem\n.", "'posix.system'"},
        BadPickle{start() + "cbuiltins\neval\n.", "'builtins.eval'"},
        BadPickle{start() + "cbuiltins\ngetattr\n.", "'builtins.getattr'"},
        BadPickle{start() + "ctorch\nload\n.", "'torch.load'"},
        BadPickle{start() + "c\n\n.", "'.'"},
        BadPickle{start() + "ccollections.OrderedDict\n\n.", "'collections.OrderedDict.'"},
        BadPickle{start() + "(ios\nsystem\n.", "unknown opcode 0x69"},
        BadPickle{start() + "(cos\n", "truncated"},
        BadPickle{start() + "(" + pickled_text("x") + "o.", "unknown opcode 0x6f"},
        BadPickle{start() + "\x81.", "unknown opcode 0x81"},
        BadPickle{start() + "\x93.", "unknown opcode 0x93"},
        BadPickle{start() + "\x82\x01.", "unknown opcode 0x82"},
        BadPickle{start() + "}2.", "unknown opcode 0x32"},
        // Tensors that are not built as tensors are.
        BadPickle{pickled_dictionary("ctorch._utils\n_rebuild_tensor_v2\n)R"), "unknown way"},
        BadPickle{pickled_dictionary("ctorch._utils\n_rebuild_tensor_v2\n(NNNNNNtR"),
                  "unknown way"},
        BadPickle{pickled_dictionary("ctorch._utils\n_rebuild_tensor_v2\n(NK\x01NNNNtR"),
                  "no storage"},
        BadPickle{pickled_dictionary("ctorch._utils\n_rebuild_tensor_v2\n(NQK\x01NNNNtR"),
                  "no storage"},
        BadPickle{pickled_dictionary("ctorch._utils\n_rebuild_tensor_v2\n()QK\x01NNNNtR"),
                  "unknown kind"},
        BadPickle{pickled_dictionary("ctorch._utils\n_rebuild_parameter\n)R"), "unknown way"},
        BadPickle{pickled_dictionary("ctorch._utils\n_rebuild_parameter\n(N\x89NtR"),
                  "unknown way"},
        BadPickle{pickled_dictionary("ctorch._tensor\n_rebuild_from_type_v2\n(NNNNtR"),
                  "unknown way"},
        BadPickle{pickled_dictionary("ctorch._tensor\n_rebuild_from_type_v2\n(NN)NtR"),
                  "unknown way"},
        BadPickle{start() + "}K\x01" + a_tensor() + "s.", "key is no text"},
        BadPickle{start() + "}" + pickled_text("w") + a_tensor() + "s" + pickled_text("w") +
                      a_tensor() + "s.",
                  "two tensors 'w'"}));

TEST(TorchFile, survives_a_dictionary_that_holds_itself) {
  const TemporaryFolder folder;
  // d = {"model": d, "w": tensor}: the inner one is the outer one, and holds the tensor.
  const std::string pickle = std::string("\x80\x02}q\x01") + pickled_text("model") + "h\x01s" +
                             pickled_text("w") + a_tensor() + "s.";
  EXPECT_EQ(open_tensor_file(folder.write("a.pt", torch_bytes(pickle)))->names(),
            std::vector<std::string>{"w"});
}

TEST(TorchFile, refuses_wrappers_nested_without_end) {
  const TemporaryFolder folder;
  // No wrapper can hold itself before it is made, so a thousand of them are nested.
  std::string value;
  for (int i = 0; i < 1000; ++i) value += "ctorch._utils\n_rebuild_parameter\n(";
  value += a_tensor();
  for (int i = 0; i < 1000; ++i) value += "\x89NtR";
  expect_file_refused(folder.write("a.pt", torch_bytes(pickled_dictionary(value))), {"too deep"});
}

TEST(TorchFile, survives_a_million_nested_lists) {
  const TemporaryFolder folder;
  std::string value(1000000, ']');
  value += std::string(999999, 'a');
  const std::string pickle = std::string("\x80\x02}") + pickled_text("deep") + value + "s" +
                             pickled_text("w") + a_tensor() + "s.";
  EXPECT_EQ(open_tensor_file(folder.write("a.pt", torch_bytes(pickle)))->names().size(), 1u);
}

TEST(TorchFile, bounds_the_number_of_values) {
  const TemporaryFolder folder;
  const std::string pickle = std::string("\x80\x02") + std::string(5000000, 'N') + ".";
  expect_file_refused(folder.write("a.pt", torch_bytes(pickle)), {"more than 4194304 values"});
}

TEST(TorchFile, never_runs_what_a_pickle_asks_for) {
  const TemporaryFolder folder;
  const std::string mark = folder.path("owned");
  const std::string pickle =
      std::string("\x80\x02") + "cos\nsystem\n(" + pickled_text("touch " + mark) + "tR.";
  expect_file_refused(folder.write("evil.pt", torch_bytes(pickle)),
                      {"os.system", "nothing is executed"});
  EXPECT_FALSE(std::filesystem::exists(mark));
}

}  // namespace
}  // namespace causeway
