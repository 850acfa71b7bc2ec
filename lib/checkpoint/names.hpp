// Tensor names of diffusers and transformers, brought back to those of Wan and umT5.
#pragma once

#include <string>
#include <vector>

namespace causeway {

/// The networks of a checkpoint.
enum class Network { transformer, vae, text_encoder };

/// "transformer", "VAE", "text encoder".
const char* name_of(Network network);

/// The names without the prefix of a training or repackaging wrapper
/// (`model._fsdp_wrapped_module.`, `model.diffusion_model.`, `model.`), where more than half of
/// them carry it; those that do not stay.
std::vector<std::string> without_wrapper_prefix(const std::vector<std::string>& names);

/// The original name of each tensor of a network. Names that are original already stay as they are,
/// and so do unknown ones. An empty string marks an alias of another tensor of the list, to be left
/// out: transformers may store the token embedding of umT5 under two names. Source of the rules:
/// convert_wan_transformer_to_diffusers and convert_wan_vae_to_diffusers of diffusers 0.35,
/// backwards; the module tree of UMT5EncoderModel in transformers.
std::vector<std::string> original_names(Network network, const std::vector<std::string>& names);

}  // namespace causeway
