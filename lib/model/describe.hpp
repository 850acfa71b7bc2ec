// What a checkpoint holds, for people and machines who want to look before they run.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace causeway {

struct TensorDescription {
  std::string name;  ///< original naming
  std::vector<std::int64_t> shape;
  std::string type;  ///< "f32", "bf16", …
};

struct NetworkDescription {
  std::string name;  ///< "transformer", "vae", "text encoder", or a file's name
  std::vector<std::string> files;
  std::vector<TensorDescription> tensors;
  std::int64_t parameters = 0, bytes = 0;
  std::vector<std::pair<std::string, std::string>> facts;  ///< e.g. {"width", "1536"}
  std::string problem;                                     ///< why it could not be run, or empty
};

struct CheckpointDescription {
  std::string path, layout;
  std::vector<NetworkDescription> networks;
};

/// A folder as published. Throws Error(input) if it is none.
CheckpointDescription describe_checkpoint_folder(const std::string& path);
/// One tensor file. Throws Error(input).
CheckpointDescription describe_tensor_file(const std::string& path);

}  // namespace causeway
