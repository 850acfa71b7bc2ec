// Reading a file of tensors whose format is told by its content.
#include "checkpoint/tensor_file.hpp"

#include <memory>

#include "checkpoint/bytes.hpp"
#include "checkpoint/names.hpp"
#include "checkpoint/safetensors.hpp"
#include "checkpoint/torch_file.hpp"

namespace causeway {
namespace {

TensorTable read_by_content(const std::string& path) {
  if (path.ends_with(".json")) return read_safetensors_index(path);
  const auto file = std::make_shared<const MappedFile>(path);
  const std::string_view start =
      as_text(file->bytes().first(std::min<std::size_t>(64, file->bytes().size())));
  require(
      !start.starts_with("version https://git-lfs"), ExitCode::input,
      "'{}' is a Git LFS pointer (the file itself was not downloaded); run `git lfs pull` in its "
      "repository",
      path);
  if (is_torch_file(file->bytes())) return read_torch_file(file);
  return read_safetensors(file);
}

}  // namespace

TensorTable read_tensor_file(const std::string& path) {
  TensorTable table = read_by_content(path);
  require(!table.tensors.empty(), ExitCode::input,
          "'{}' holds no tensors (a checkpoint has some); check the file", path);
  std::vector<std::string> names;
  for (const auto& tensor : table.tensors) names.push_back(tensor.name);
  names = without_wrapper_prefix(names);
  for (std::size_t i = 0; i < names.size(); ++i) table.tensors[i].name = names[i];
  return table;
}

}  // namespace causeway
