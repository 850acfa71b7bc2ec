// Reading a file of tensors whose format is told by its content.
#pragma once

#include <string>

#include "checkpoint/mapped_store.hpp"

namespace causeway {

/// The tensors of a safetensors file, a sharded index or a PyTorch zip, prefixes of training
/// wrappers stripped. Throws Error(input) where the file is none of these, or broken.
TensorTable read_tensor_file(const std::string& path);

}  // namespace causeway
