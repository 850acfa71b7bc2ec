// Tests of renaming to the original names; the pairs come from the conversion code of diffusers.
#include "checkpoint/names.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include "checkpoint_files.hpp"

namespace causeway {
namespace {

using testing::fixture;

struct Pairs {
  std::vector<std::string> original, published;
};

/// Lines "original TAB published".
Pairs read_pairs(const std::string& name) {
  Pairs pairs;
  std::istringstream lines(testing::read_file(fixture(name)));
  for (std::string line; std::getline(lines, line);) {
    const auto tab = line.find('\t');
    pairs.original.push_back(line.substr(0, tab));
    pairs.published.push_back(line.substr(tab + 1));
  }
  return pairs;
}

TEST(Names, of_the_transformer_come_back_as_diffusers_converted_them) {
  const Pairs pairs = read_pairs("transformer_names.tsv");
  ASSERT_EQ(pairs.original.size(), 15u + 2 * 27);
  EXPECT_EQ(original_names(Network::transformer, pairs.published), pairs.original);
}

TEST(Names, of_the_vae_come_back_as_diffusers_converted_them) {
  const Pairs pairs = read_pairs("vae_names.tsv");
  ASSERT_EQ(pairs.original.size(), 194u);
  EXPECT_EQ(original_names(Network::vae, pairs.published), pairs.original);
}

TEST(Names, that_are_original_already_stay) {
  for (const auto& [network, file] : {std::pair{Network::transformer, "transformer_names.tsv"},
                                      std::pair{Network::vae, "vae_names.tsv"}}) {
    const Pairs pairs = read_pairs(file);
    EXPECT_EQ(original_names(network, pairs.original), pairs.original);
  }
  const std::vector<std::string> text = {"token_embedding.weight", "blocks.0.norm1.weight",
                                         "norm.weight", "blocks.1.ffn.gate.0.weight"};
  EXPECT_EQ(original_names(Network::text_encoder, text), text);
}

TEST(Names, keep_norm2_and_norm3_apart) {
  EXPECT_EQ(original_names(Network::transformer,
                           {"blocks.7.norm2.weight", "blocks.7.attn1.to_q.weight"})[0],
            "blocks.7.norm3.weight");
  EXPECT_EQ(original_names(Network::transformer,
                           {"blocks.7.norm3.weight", "blocks.7.attn1.to_q.weight"})[0],
            "blocks.7.norm2.weight");
  EXPECT_EQ(original_names(Network::transformer, {"blocks.7.norm3.weight"})[0],
            "blocks.7.norm3.weight");
}

TEST(Names, of_the_text_encoder_come_back_from_those_of_transformers) {
  const std::map<std::string, std::string> expected = {
      {"encoder.final_layer_norm.weight", "norm.weight"},
      {"encoder.block.1.layer.0.layer_norm.weight", "blocks.1.norm1.weight"},
      {"encoder.block.1.layer.0.SelfAttention.q.weight", "blocks.1.attn.q.weight"},
      {"encoder.block.1.layer.0.SelfAttention.k.weight", "blocks.1.attn.k.weight"},
      {"encoder.block.1.layer.0.SelfAttention.v.weight", "blocks.1.attn.v.weight"},
      {"encoder.block.1.layer.0.SelfAttention.o.weight", "blocks.1.attn.o.weight"},
      {"encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight",
       "blocks.1.pos_embedding.embedding.weight"},
      {"encoder.block.1.layer.1.layer_norm.weight", "blocks.1.norm2.weight"},
      {"encoder.block.1.layer.1.DenseReluDense.wi_0.weight", "blocks.1.ffn.gate.0.weight"},
      {"encoder.block.1.layer.1.DenseReluDense.wi_1.weight", "blocks.1.ffn.fc1.weight"},
      {"encoder.block.1.layer.1.DenseReluDense.wo.weight", "blocks.1.ffn.fc2.weight"},
  };
  std::vector<std::string> published;
  std::istringstream lines(testing::read_file(fixture("umt5_names.txt")));
  for (std::string line; std::getline(lines, line);) published.push_back(line);
  const auto names = original_names(Network::text_encoder, published);
  std::size_t seen = 0, embeddings = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto place = expected.find(published[i]);
    if (place != expected.end()) {
      EXPECT_EQ(names[i], place->second);
      ++seen;
    }
    if (names[i] == "token_embedding.weight") ++embeddings;
    EXPECT_EQ(names[i].find("encoder."), std::string::npos) << published[i];
  }
  EXPECT_EQ(seen, expected.size());
  EXPECT_EQ(embeddings, 1u);
}

TEST(Names, accept_either_alias_of_the_token_embedding_or_both) {
  const auto rename = [](const std::vector<std::string>& names) {
    return original_names(Network::text_encoder, names);
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(rename({"shared.weight"}), Names{"token_embedding.weight"});
  EXPECT_EQ(rename({"encoder.embed_tokens.weight"}), Names{"token_embedding.weight"});
  EXPECT_EQ(rename({"encoder.embed_tokens.weight", "shared.weight"}),
            (Names{"", "token_embedding.weight"}));
}

TEST(Names, that_nobody_knows_stay) {
  const std::vector<std::string> odd = {
      "",
      "encoder.",
      "encoder.down_blocks.",
      "encoder.down_blocks.x.norm1.gamma",
      "decoder.up_blocks.1",
      "decoder.up_blocks.1.resnets.",
      "decoder.up_blocks.1.other.0",
      "encoder.mid_block.resnets.7.norm1.gamma",
      "decoder.up_blocks.99999999999999999999.resnets.0.conv1.weight",
      "something.else"};
  EXPECT_EQ(original_names(Network::vae, odd), odd);
  std::vector<std::string> blocks = {"condition_embedder.x", "blocks.",
                                     "blocks.-1.attn1.to_q.weight", "blocks.x.attn1.to_q.weight",
                                     "blocks.3"};
  EXPECT_EQ(original_names(Network::transformer, blocks), blocks);
  EXPECT_EQ(original_names(Network::text_encoder, {"encoder.block.1.layer.9.weight"})[0],
            "encoder.block.1.layer.9.weight");
}

TEST(WrapperPrefix, is_stripped_where_most_tensors_carry_it) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(without_wrapper_prefix({"model.a", "model.b", "c"}), (Names{"a", "b", "c"}));
  EXPECT_EQ(without_wrapper_prefix({"model.a", "b"}), (Names{"model.a", "b"}));
  EXPECT_EQ(without_wrapper_prefix({"model._fsdp_wrapped_module.a"}), Names{"a"});
  EXPECT_EQ(without_wrapper_prefix({"model.diffusion_model.a", "model.diffusion_model.model.b"}),
            (Names{"a", "model.b"}));
  EXPECT_EQ(without_wrapper_prefix({}), Names{});
}

}  // namespace
}  // namespace causeway
