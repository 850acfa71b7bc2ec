// The safetensors format (a JSON header, then the raw tensors), and indices of such files.
#pragma once

#include <memory>
#include <string>

#include "checkpoint/mapped_store.hpp"

namespace causeway {

/// All tensors of one safetensors file, under their stored names. Every rule of the format is
/// checked: the header's length and JSON, shapes against byte counts, and that the tensors fill the
/// file without gaps or overlaps. Throws Error(input) naming file and tensor.
TensorTable read_safetensors(const std::shared_ptr<const MappedFile>& file);

/// The tensors of all files that an index (`*.safetensors.index.json`) names. Shards must be plain
/// file names beside the index. Throws Error(input) where index and shards do not fit together.
TensorTable read_safetensors_index(const std::string& path);

}  // namespace causeway
