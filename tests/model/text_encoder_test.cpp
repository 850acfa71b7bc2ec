// The umT5 encoder: golden numbers, distance buckets, stored types, configurations and bad input.
#include "model/text_encoder.hpp"

#include "model/network_cases.hpp"
#include "support/golden.hpp"

namespace causeway::testing {
namespace {

TextEncoderConfig golden_config() {
  TextEncoderConfig config;
  config.vocab = 50;
  config.width = 16;
  config.heads = 4;
  config.head_dim = 4;
  config.ffn = 24;
  config.layers = 2;
  return config;
}

std::vector<std::int32_t> golden_ids(std::int32_t count) {
  std::vector<std::int32_t> ids;
  for (std::int32_t k = 0; k < count; ++k) ids.push_back((7 * k + 3) % 50);
  return ids;
}

/// Counts how often pages are let go.
class CountingStore final : public MapStore {
 public:
  explicit CountingStore(MapStore&& store) : MapStore(std::move(store)) {}
  void release_pages(const StoredTensor&) const override { ++releases_; }
  int releases() const { return releases_; }

 private:
  mutable int releases_ = 0;
};

CountingStore golden_encoder(ElementType type = ElementType::f32) {
  return CountingStore(std::move(
      *golden_store("golden text encoder", text_encoder_shapes({}), golden_amplitude, type)));
}

class TextEncoderOn : public ::testing::TestWithParam<std::string> {};

TEST_P(TextEncoderOn, EncodesTheGoldenTokens) {
  if (ops_named(GetParam()) == nullptr) GTEST_SKIP() << "this machine cannot run " << GetParam() << ".";
  const Ops& ops = *ops_named(GetParam());
  const CountingStore store = golden_encoder();
  const TextEncoder encoder(store, golden_config(), ops, ElementType::f32);
  const Tensor states = encoder.encode(golden_ids(30));
  ASSERT_EQ(states.shape(), (std::vector<std::int64_t>{30, 16}));
  const auto cases = golden_cases("text_encoder");
  ASSERT_EQ(cases.size(), 1u);
  EXPECT_LE(golden_error(cases[0], floats_of(states.view())), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Backends, TextEncoderOn, ::testing::ValuesIn(backend_names()),
                         [](const auto& test) { return test.param; });

TEST(TextEncoder, HasTheSameBitsWithResidentMatrices) {
  for (const std::string name : {"best", "baseline", "device_on_host"}) {
    const Ops* ops = ops_named(name);
    if (ops == nullptr) continue;
    for (const ElementType compute : {ElementType::f32, ElementType::bf16}) {
      const CountingStore store = golden_encoder(ElementType::bf16);
      const TextEncoder streamed(store, golden_config(), *ops, compute);
      TextEncoder resident(store, golden_config(), *ops, compute);
      resident.keep_matrices();
      EXPECT_EQ(floats_of(resident.encode(golden_ids(30)).view()),
                floats_of(streamed.encode(golden_ids(30)).view()))
          << name;
      const auto matrix =
          static_cast<std::size_t>(golden_config().width * golden_config().ffn) * bytes_of(compute);
      EXPECT_GE(resident.weight_bytes() - streamed.weight_bytes(), 3 * matrix);
    }
  }
}

TEST(TextEncoder, PutsDistancesIntoTheirBuckets) {
  const std::vector<std::pair<std::int64_t, std::int64_t>> starts{
      {8, 8}, {12, 9}, {16, 10}, {23, 11}, {32, 12}, {46, 13}, {64, 14}, {91, 15}};
  for (std::int64_t a = 0; a < 600; ++a) {
    std::int64_t expected = a;
    if (a >= 8) {
      for (const auto& [start, bucket] : starts) expected = a >= start ? bucket : expected;
    }
    EXPECT_EQ(relative_position_bucket(-a, 32, 128), expected) << a;
    EXPECT_EQ(relative_position_bucket(a, 32, 128), a == 0 ? 0 : expected + 16) << a;
  }
}

TEST(TextEncoder, GivesTheSameForWeightsStoredAsBfloat16AndAsTheirF32Values) {
  const Ops& ops = *ops_named("best");
  const CountingStore narrow = golden_encoder(ElementType::bf16);
  MapStore wide("the same numbers in f32");
  for (const auto& name : narrow.names()) {
    const ConstView view = narrow.at(name).view;
    wide.add(name, {view.shape.begin(), view.shape.begin() + view.rank}, floats_of(view));
  }
  for (const auto compute : {ElementType::f32, ElementType::bf16}) {
    const TextEncoder a(narrow, golden_config(), ops, compute),
        b(wide, golden_config(), ops, compute);
    EXPECT_EQ(floats_of(a.encode(golden_ids(9)).view()), floats_of(b.encode(golden_ids(9)).view()));
  }
}

TEST(TextEncoder, LetsThePagesOfEveryMatrixGo) {
  const Ops& ops = *ops_named("best");
  const CountingStore store = golden_encoder();
  const TextEncoder encoder(store, golden_config(), ops, ElementType::f32);
  EXPECT_EQ(store.releases(), 2 * 3 + 1);  // norms and bias tables, which are copied
  encoder.encode(golden_ids(3));
  EXPECT_EQ(store.releases(), 7 + 1 + 2 * 7);  // the embedding, and seven matrices a layer
}

TEST(TextEncoder, ReadsHalfPrecisionWeights) {
  const Ops& ops = *ops_named("best");
  const CountingStore half = golden_encoder(ElementType::f16), full = golden_encoder();
  const TextEncoder a(half, golden_config(), ops, ElementType::f32);
  const TextEncoder b(full, golden_config(), ops, ElementType::f32);
  const auto ids = golden_ids(12);
  EXPECT_LT(relative_l2(floats_of(a.encode(ids).view()), floats_of(b.encode(ids).view())), 2e-3);
}

TEST(TextEncoder, RefusesATokenWithoutARow) {
  const CountingStore store = golden_encoder();
  const Ops& ops = *ops_named("best");
  const TextEncoder encoder(store, golden_config(), ops, ElementType::f32);
  for (const std::int32_t id : {50, -1, 2147483647}) {
    try {
      encoder.encode({3, id, 1});
      FAIL() << id << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::input);
      EXPECT_NE(std::string(error.what()).find(std::to_string(id)), std::string::npos);
    }
  }
}

TEST(TextEncoder, ReadsItsConfigurationFromJsonOrFromShapes) {
  const CountingStore store = golden_encoder();
  const std::string json =
      R"({"d_model": 16, "num_heads": 4, "d_kv": 4, "d_ff": 24, "num_layers": 2,
    "vocab_size": 50, "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128,
    "layer_norm_epsilon": 1e-06, "feed_forward_proj": "gated-gelu"})";
  for (const auto& config : {text_encoder_config(store, json), text_encoder_config(store, "")}) {
    EXPECT_EQ(text_encoder_tensor_shapes(config), text_encoder_tensor_shapes(golden_config()));
    EXPECT_EQ(config.heads, 4);
    EXPECT_EQ(config.head_dim, 4);
    EXPECT_EQ(config.buckets, 32);
    EXPECT_EQ(config.max_distance, 128);
    EXPECT_FLOAT_EQ(config.eps, 1e-6f);
  }
  const auto refuses = [&](const std::string& from, const std::string& to) {
    std::string text = json;
    text.replace(text.find(from), from.size(), to);
    EXPECT_THROW(text_encoder_config(store, text), Error) << to;
  };
  refuses("gated-gelu", "relu");
  refuses("\"d_kv\": 4,", "");
  refuses("\"num_layers\": 2", "\"num_layers\": 2000000000");
  refuses("\"relative_attention_num_buckets\": 32", "\"relative_attention_num_buckets\": 3");
}

TEST(TextEncoder, ThePublishedEncoderHasThePublishedTensors) {
  TextEncoderConfig config;
  config.vocab = 256384;
  config.width = 4096;
  config.heads = 64;
  config.head_dim = 64;
  config.ffn = 10240;
  config.layers = 24;
  const auto shapes = text_encoder_tensor_shapes(config);
  EXPECT_EQ(shapes.size(), 242u);
  EXPECT_EQ(shapes, text_encoder_shapes({256384, 4096, 64, 64, 10240, 24, 32}));
  std::int64_t sum = 0;
  for (const auto& [name, shape] : shapes) sum += shape[0] * (shape.size() == 2 ? shape[1] : 1);
  EXPECT_EQ(sum, 5680910336);
}

TEST(TextEncoder, RefusesAStoreWhoseTensorsAreNotItsOwn) {
  const CountingStore store = golden_encoder();
  const Ops& ops = *ops_named("best");
  TextEncoderConfig config = golden_config();
  config.ffn = 25;
  EXPECT_THROW(TextEncoder(store, config, ops, ElementType::f32), Error);
  config = golden_config();
  config.layers = 3;
  EXPECT_THROW(TextEncoder(store, config, ops, ElementType::f32), Error);
}

}  // namespace
}  // namespace causeway::testing
