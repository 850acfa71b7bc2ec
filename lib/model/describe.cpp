// Listing the networks and tensors of a checkpoint.
#include "model/describe.hpp"

#include "checkpoint/checkpoint.hpp"
#include "model/text_encoder.hpp"
#include "model/tokenizer.hpp"
#include "model/transformer_config.hpp"
#include "model/vae.hpp"

namespace causeway {
namespace {

NetworkDescription describe_store(const std::string& name, const TensorStore& store) {
  NetworkDescription network;
  network.name = name;
  network.files = store.files();
  for (const auto& tensor_name : store.names()) {
    const StoredTensor& tensor = *store.find(tensor_name);
    network.tensors.push_back(
        {tensor_name,
         {tensor.view.shape.begin(), tensor.view.shape.begin() + tensor.view.rank},
         name_of(tensor.view.type)});
    network.parameters += tensor.view.size();
    network.bytes += static_cast<std::int64_t>(tensor.bytes);
  }
  return network;
}

/// Adds facts; what is wrong with the network becomes its `problem`.
template <class Facts>
void add_facts(NetworkDescription& network, Facts&& facts) {
  try {
    facts([&](const char* fact, const auto& value) {
      network.facts.emplace_back(fact, fmt::format("{}", value));
    });
  } catch (const Error& error) {
    network.problem = error.what();
  }
}

}  // namespace

CheckpointDescription describe_checkpoint_folder(const std::string& path) {
  const CheckpointFolder folder = open_checkpoint(path, "");
  CheckpointDescription description;
  description.path = path;
  description.layout =
      folder.layout == Layout::diffusers ? "diffusers folder" : "original Wan folder";
  if (folder.transformer) {
    auto& network =
        description.networks.emplace_back(describe_store("transformer", *folder.transformer));
    add_facts(network, [&](auto&& fact) {
      const auto config = read_transformer_config(folder.transformer_config, *folder.transformer);
      fact("width", config.width);
      fact("blocks", config.layers);
      fact("heads", config.heads);
      fact("ffn width", config.ffn);
      fact("text width", config.text_dim);
      fact("text length", config.text_length);
      folder.transformer->check_exactly(transformer_tensor_shapes(config));
    });
  }
  if (folder.vae) {
    auto& network = description.networks.emplace_back(describe_store("vae", *folder.vae));
    add_facts(network, [&](auto&& fact) {
      const VaeConfig config = vae_config(*folder.vae, folder.vae_config);
      fact("base width", config.base_dim);
      fact("channels", config.z_dim);
      fact("strides", fmt::format("{} in time, {} in space", config.temporal_stride(),
                                  config.spatial_stride()));
      check_vae_tensors(*folder.vae, config);
    });
  }
  if (folder.text_encoder) {
    auto& network =
        description.networks.emplace_back(describe_store("text encoder", *folder.text_encoder));
    add_facts(network, [&](auto&& fact) {
      const auto config = text_encoder_config(*folder.text_encoder, folder.text_encoder_config);
      fact("width", config.width);
      fact("layers", config.layers);
      fact("heads", config.heads);
      fact("vocabulary", config.vocab);
      folder.text_encoder->check_exactly(text_encoder_tensor_shapes(config));
    });
  }
  if (!folder.tokenizer_folder.empty()) {
    NetworkDescription tokenizer;
    tokenizer.name = "tokenizer";
    tokenizer.files.push_back(folder.tokenizer_folder);
    add_facts(tokenizer, [&](auto&& fact) {
      fact("entries", Tokenizer::open(folder.tokenizer_folder).vocabulary_size());
    });
    description.networks.push_back(std::move(tokenizer));
  }
  return description;
}

CheckpointDescription describe_tensor_file(const std::string& path) {
  const auto store = open_tensor_file(path);
  CheckpointDescription description;
  description.path = path;
  description.layout = "tensor file";
  description.networks.push_back(describe_store("tensors", *store));
  return description;
}

}  // namespace causeway
