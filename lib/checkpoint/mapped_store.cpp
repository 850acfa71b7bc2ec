// The tensors of one network, as views into mapped files.
#include "checkpoint/mapped_store.hpp"

#include <algorithm>
#include <utility>

#include "checkpoint/wording.hpp"

namespace causeway {

std::size_t extent_bytes(const ConstView& view) {
  if (view.size() == 0) return 0;
  std::int64_t last = 0;  // index of the last element, in elements
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(view.rank); ++axis) {
    last += (view.shape[axis] - 1) * view.stride[axis];
  }
  return static_cast<std::size_t>(last + 1) * bytes_of(view.type);
}

MappedStore::MappedStore(TensorTable table, std::string description)
    : files_(std::move(table.files)), description_(std::move(description)) {
  for (auto& tensor : table.tensors) {
    const auto [place, inserted] = tensors_.emplace(tensor.name, tensor);
    require(
        inserted, ExitCode::input,
        "{}: two tensors are named '{}' (stored as '{}' in {} and as '{}' in {}); keep one of them",
        description_, shown(tensor.name), shown(place->second.stored_name), place->second.file,
        shown(tensor.stored_name), tensor.file);
  }
}

std::vector<std::string> MappedStore::names() const {
  std::vector<std::string> result;
  result.reserve(tensors_.size());
  for (const auto& [name, tensor] : tensors_) result.push_back(name);
  return result;
}

const StoredTensor* MappedStore::find(std::string_view name) const {
  const auto place = tensors_.find(name);
  return place == tensors_.end() ? nullptr : &place->second;
}

std::vector<std::string> MappedStore::files() const {
  std::vector<std::string> result;
  for (const auto& file : files_) result.push_back(file->path());
  return result;
}

const MappedFile* MappedStore::file_of(const StoredTensor& tensor) const {
  const auto place = std::find_if(files_.begin(), files_.end(), [&](const auto& file) {
    return file->contains(tensor.view.data);
  });
  return place == files_.end() ? nullptr : place->get();
}

void MappedStore::release_pages(const StoredTensor& tensor) const {
  if (const auto* file = file_of(tensor))
    file->release(tensor.view.data, extent_bytes(tensor.view));
}

void MappedStore::do_prefetch(const StoredTensor& tensor) const {
  if (const auto* file = file_of(tensor))
    file->will_need(tensor.view.data, extent_bytes(tensor.view));
}

}  // namespace causeway
