// Tensors in the files that torch.save writes (`.pt`, `.pth`).
#pragma once

#include <memory>

#include "checkpoint/bytes.hpp"
#include "checkpoint/mapped_store.hpp"

namespace causeway {

/// Whether the first bytes are those of a file of torch.save, of any age.
bool is_torch_file(Bytes bytes);

/// The tensors of the dictionary `generator_ema`, `generator`, `model` or of the top level, the
/// first of these that holds any; views keep their offsets and strides. Plain values beside the
/// tensors are passed over. Throws Error(input) naming file and tensor; a file from before
/// PyTorch 1.6 is refused.
TensorTable read_torch_file(const std::shared_ptr<const MappedFile>& file);

}  // namespace causeway
