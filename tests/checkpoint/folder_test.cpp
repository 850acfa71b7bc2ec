// Tests of checkpoint folders: both published layouts, and folders that are neither, or too much.
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "checkpoint/checkpoint.hpp"
#include "checkpoint_files.hpp"

namespace causeway {
namespace {

using testing::expect_refused;
using testing::fixture;
using testing::TemporaryFolder;

/// Any small files under the names of the original Wan folder.
void write_wan_folder(const TemporaryFolder& folder) {
  folder.write("config.json", R"({"dim": 12, "model_type": "t2v"})");
  folder.copy("types.safetensors", "diffusion_pytorch_model.safetensors");
  folder.copy("views.pt", "Wan2.1_VAE.pth");
  folder.copy("module.pth", "models_t5_umt5-xxl-enc-bf16.pth");
  folder.write("google/umt5-xxl/tokenizer.json", "{}");
  folder.write("google/umt5-xxl/spiece.model", "");
  folder.write("README.md", "text");
  folder.write("examples/picture.png", "");
}

TEST(CheckpointFolder, of_wan_is_recognised_by_its_files) {
  const TemporaryFolder folder;
  write_wan_folder(folder);
  const CheckpointFolder opened = open_checkpoint(folder.path(), "");
  EXPECT_EQ(opened.layout, Layout::wan);
  EXPECT_EQ(opened.transformer_config, R"({"dim": 12, "model_type": "t2v"})");
  EXPECT_EQ(opened.vae_config, "");
  EXPECT_EQ(opened.tokenizer_folder, folder.path("google/umt5-xxl"));
  ASSERT_TRUE(opened.transformer && opened.vae && opened.text_encoder);
  EXPECT_EQ(opened.transformer->description(), "transformer of " + folder.path());
  EXPECT_EQ(opened.transformer->files(),
            std::vector<std::string>{folder.path("diffusion_pytorch_model.safetensors")});
  EXPECT_NE(opened.vae->find("transposed"), nullptr);
  EXPECT_NE(opened.text_encoder->find("0.weight"), nullptr);
}

TEST(CheckpointFolder, of_wan_may_be_sharded) {
  const TemporaryFolder folder;
  const std::string name = "diffusion_pytorch_model";
  std::string index = testing::read_file(fixture("sharded/model.safetensors.index.json"));
  for (std::size_t at = 0; (at = index.find("model-", at)) != std::string::npos;
       at += name.size() + 1) {
    index.replace(at, 5, name);
  }
  folder.write(name + ".safetensors.index.json", index);
  for (const char* part : {"-00001-of-00003", "-00002-of-00003", "-00003-of-00003"}) {
    folder.copy(std::string("sharded/model") + part + ".safetensors", name + part + ".safetensors");
  }
  EXPECT_EQ(open_checkpoint(folder.path(), "").transformer->names().size(), 6u);
  std::filesystem::remove(folder.path(name + ".safetensors.index.json"));
  expect_refused([&] { open_checkpoint(folder.path(), ""); }, {"without their index", name});
}

TEST(CheckpointFolder, of_wan_may_lack_parts) {
  const TemporaryFolder folder;
  folder.copy("views.pt", "Wan2.1_VAE.pth");
  const CheckpointFolder opened = open_checkpoint(folder.path(), "");
  EXPECT_EQ(opened.transformer, nullptr);
  EXPECT_NE(opened.vae, nullptr);
  EXPECT_EQ(opened.text_encoder, nullptr);
  EXPECT_EQ(opened.transformer_config, "");
  EXPECT_EQ(opened.tokenizer_folder, "");
}

TEST(CheckpointFolder, takes_its_transformer_from_another_file) {
  const TemporaryFolder folder;
  write_wan_folder(folder);
  const CheckpointFolder opened = open_checkpoint(folder.path(), fixture("self_forcing.pt"));
  EXPECT_EQ(opened.transformer->files(), std::vector<std::string>{fixture("self_forcing.pt")});
  EXPECT_NE(opened.transformer->find("blocks.0.weight"), nullptr);
  EXPECT_NE(opened.transformer_config, "");
  expect_refused([&] { open_checkpoint(folder.path(), folder.path("absent.pt")); }, {"absent.pt"});
  const CheckpointFolder diffusers =
      open_checkpoint(fixture("diffusers"), fixture("self_forcing.pt"));
  EXPECT_EQ(diffusers.transformer->names().size(), 3u);
  EXPECT_NE(diffusers.transformer_config, "");
}

TEST(CheckpointFolder, may_be_named_by_a_file_in_it) {
  const TemporaryFolder folder;
  write_wan_folder(folder);
  folder.copy("self_forcing.pt", "self_forcing_dmd.pt");
  const CheckpointFolder student = open_checkpoint(folder.path("self_forcing_dmd.pt"), "");
  EXPECT_NE(student.transformer->find("blocks.0.weight"), nullptr);
  EXPECT_NE(student.vae, nullptr);
  const CheckpointFolder plain = open_checkpoint(folder.path("config.json"), "");
  EXPECT_NE(plain.transformer->find("f32"), nullptr);
}

/// The names on one side of a fixture of pairs: 0 original, 1 published.
std::set<std::string> names_in(const std::string& file, int side) {
  std::set<std::string> names;
  std::istringstream lines(testing::read_file(fixture(file)));
  for (std::string line; std::getline(lines, line);) {
    const auto tab = line.find('\t');
    names.insert(side == 0 ? line.substr(0, tab) : line.substr(tab + 1));
  }
  return names;
}

std::set<std::string> as_set(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

TEST(CheckpointFolder, of_diffusers_comes_out_under_the_original_names) {
  const CheckpointFolder opened = open_checkpoint(fixture("diffusers"), "");
  EXPECT_EQ(opened.layout, Layout::diffusers);
  ASSERT_TRUE(opened.transformer && opened.vae && opened.text_encoder);
  EXPECT_EQ(as_set(opened.transformer->names()), names_in("transformer_names.tsv", 0));
  EXPECT_EQ(as_set(opened.vae->names()), names_in("vae_names.tsv", 0));
  EXPECT_EQ(opened.text_encoder->names().size(), 2u + 2 * 10);
  EXPECT_EQ(opened.text_encoder->files().size(), 3u);
  EXPECT_NE(opened.transformer_config.find("WanTransformer3DModel"), std::string::npos);
  EXPECT_NE(opened.vae_config.find("AutoencoderKLWan"), std::string::npos);
  EXPECT_NE(opened.text_encoder_config.find("umt5"), std::string::npos);
  EXPECT_EQ(opened.tokenizer_folder, fixture("diffusers/tokenizer"));
  const auto& embedding = opened.text_encoder->at("token_embedding.weight", {20, 8});
  EXPECT_EQ(embedding.stored_name, "shared.weight");
  const auto& norm = opened.transformer->at("blocks.1.norm3.weight", {12});
  EXPECT_EQ(norm.stored_name, "blocks.1.norm2.weight");
}

TEST(CheckpointFolder, renames_a_diffusers_transformer_in_a_wan_folder_too) {
  const TemporaryFolder folder;
  folder.copy("diffusers/transformer", "wan");
  const CheckpointFolder opened = open_checkpoint(folder.path("wan"), "");
  EXPECT_EQ(opened.layout, Layout::wan);
  EXPECT_EQ(as_set(opened.transformer->names()), names_in("transformer_names.tsv", 0));
}

TEST(CheckpointFolder, finds_the_tokenizer_in_any_subfolder_if_it_is_the_only_one) {
  const TemporaryFolder folder;
  folder.copy("views.pt", "Wan2.1_VAE.pth");
  folder.write("some/where/spiece.model", "");
  EXPECT_EQ(open_checkpoint(folder.path(), "").tokenizer_folder, folder.path("some/where"));
  folder.write("else/tokenizer.json", "{}");
  expect_refused([&] { open_checkpoint(folder.path(), ""); },
                 {"2 folders with a tokenizer", folder.path("else"), folder.path("some/where")});
  folder.write("google/umt5-xxl/tokenizer.json", "{}");
  EXPECT_EQ(open_checkpoint(folder.path(), "").tokenizer_folder, folder.path("google/umt5-xxl"));
}

TEST(CheckpointFolder, with_several_candidates_is_refused) {
  const TemporaryFolder folder;
  write_wan_folder(folder);
  folder.copy("types.safetensors", "diffusion_pytorch_model.fp16.safetensors");
  expect_refused([&] { open_checkpoint(folder.path(), ""); },
                 {"2 candidates for the transformer", "diffusion_pytorch_model.fp16.safetensors",
                  "diffusion_pytorch_model.safetensors"});
  EXPECT_NO_THROW(open_checkpoint(folder.path(), fixture("self_forcing.pt")));
  std::filesystem::remove(folder.path("diffusion_pytorch_model.fp16.safetensors"));
  folder.copy("types.safetensors", "wan_vae.safetensors");
  expect_refused([&] { open_checkpoint(folder.path(), ""); },
                 {"2 candidates for the VAE", "Wan2.1_VAE.pth", "wan_vae.safetensors"});
}

TEST(CheckpointFolder, with_two_transformers_in_two_layouts_is_refused) {
  const TemporaryFolder folder;
  write_wan_folder(folder);
  folder.copy("diffusers/transformer", "transformer");
  expect_refused([&] { open_checkpoint(folder.path(), ""); }, {"two transformers"});
}

TEST(CheckpointFolder, that_is_none_is_refused_with_what_is_there) {
  const TemporaryFolder folder;
  expect_refused([&] { open_checkpoint(folder.path("absent"), ""); },
                 {"there is no checkpoint at", folder.path("absent")});
  expect_refused([&] { open_checkpoint(folder.path(), ""); },
                 {"no checkpoint that is known", "no files"});
  folder.write("holiday.jpg", "");
  folder.write("music/song.ogg", "");
  expect_refused([&] { open_checkpoint(folder.path(), ""); },
                 {"model_index.json", "models_t5_", "holiday.jpg", "music/"});
  folder.write("config.json", "{}");
  expect_refused([&] { open_checkpoint(folder.path(), ""); }, {"no checkpoint that is known"});
}

TEST(CheckpointFolder, with_a_broken_part_names_its_file) {
  const TemporaryFolder folder;
  write_wan_folder(folder);
  folder.write("Wan2.1_VAE.pth", "PK\x03\x04 cut short");
  expect_refused([&] { open_checkpoint(folder.path(), ""); },
                 {folder.path("Wan2.1_VAE.pth"), "ZIP"});
}

}  // namespace
}  // namespace causeway
