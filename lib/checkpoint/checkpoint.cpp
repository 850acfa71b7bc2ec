// What every tensor store does: helpful lookups, shape checks, copies; and opening one file.
#include "checkpoint/checkpoint.hpp"

#include <cstring>
#include <filesystem>
#include <utility>

#include "checkpoint/mapped_store.hpp"
#include "checkpoint/tensor_file.hpp"
#include "checkpoint/wording.hpp"

namespace causeway {
namespace {

/// Copies the elements of a strided view to contiguous memory; the type only gives their width.
void copy_strided(const ConstView& from, void* to) {
  const std::size_t width = bytes_of(from.type);
  const auto* source = static_cast<const std::byte*>(from.data);
  auto* target = static_cast<std::byte*>(to);
  std::array<std::int64_t, max_rank> index{};
  std::int64_t offset = 0;  // of the current element, in elements
  for (std::int64_t done = 0; done < from.size(); ++done) {
    std::memcpy(target, source + offset * static_cast<std::int64_t>(width), width);
    target += width;
    for (int axis = from.rank - 1; axis >= 0; --axis) {
      const auto a = static_cast<std::size_t>(axis);
      offset += from.stride[a];
      if (++index[a] < from.shape[a]) break;
      offset -= from.stride[a] * from.shape[a];
      index[a] = 0;
    }
  }
}

/// The lines of check_exactly's message; beyond the first `most` they are only counted.
class Differences {
 public:
  void add(std::string line) {
    if (lines_.size() < most) lines_.push_back(std::move(line));
    ++count_;
  }
  std::size_t count() const { return count_; }
  std::string text() const {
    std::string result = fmt::format("{}", fmt::join(lines_, "\n  "));
    if (count_ > lines_.size()) result += fmt::format("\n  and {} more", count_ - lines_.size());
    return result;
  }

 private:
  static constexpr std::size_t most = 20;
  std::vector<std::string> lines_;
  std::size_t count_ = 0;
};

}  // namespace

ContiguousTensor contiguous(const StoredTensor& tensor) {
  const ConstView& view = tensor.view;
  ContiguousTensor result;
  const std::vector<std::int64_t> shape = shape_of(view);
  const bool aligned = reinterpret_cast<std::uintptr_t>(view.data) % bytes_of(view.type) == 0;
  if (view.size() == 0 || (aligned && view.is_contiguous())) {
    // Made anew: the strides of axes of one element may be anything in a file.
    result.view = make_view<const void*>(view.data, view.type, shape.data(), view.rank);
    return result;
  }
  result.copy = Tensor(view.type, shape);
  if (view.is_contiguous()) {
    std::memcpy(result.copy.data(), view.data, tensor.bytes);
  } else {
    copy_strided(view, result.copy.data());
  }
  result.view = std::as_const(result.copy).view();
  return result;
}

const StoredTensor& TensorStore::at(std::string_view name) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) {
    const auto known = names();
    fail(ExitCode::input,
         "{}: tensor '{}' is missing (in {}; it has {} tensors, the nearest are '{}'); check that "
         "the "
         "checkpoint is complete and of the configured model",
         description(), name, fmt::join(files(), ", "), known.size(),
         shown(fmt::format("{}", fmt::join(nearest_names(name, known, 3), "', '"))));
  }
  const ElementType type = tensor->view.type;
  require(
      type == ElementType::f32 || type == ElementType::f16 || type == ElementType::bf16,
      ExitCode::input,
      "{}: tensor '{}' in {} has element type {} (weights may be f32, f16 or bf16); convert the "
      "checkpoint to one of these",
      description(), shown(name), tensor->file, name_of(type));
  prefetch(*tensor);
  return *tensor;
}

const StoredTensor& TensorStore::at(std::string_view name,
                                    const std::vector<std::int64_t>& shape) const {
  const StoredTensor& tensor = at(name);
  require(
      shape_of(tensor.view) == shape, ExitCode::input,
      "{}: tensor '{}' in {} has shape {} (expected {}); check that checkpoint and configuration "
      "describe the same model",
      description(), shown(name), tensor.file, shape_text(tensor.view), shape_text(shape));
  return tensor;
}

void TensorStore::check_exactly(
    const std::map<std::string, std::vector<std::int64_t>>& expected) const {
  Differences differences;
  for (const auto& [name, shape] : expected) {
    const StoredTensor* tensor = find(name);
    if (tensor == nullptr) {
      differences.add(fmt::format("missing: '{}' of shape {}", name, shape_text(shape)));
    } else if (shape_of(tensor->view) != shape) {
      differences.add(fmt::format("misshapen: '{}' in {} has shape {} (expected {})", name,
                                  tensor->file, shape_text(tensor->view), shape_text(shape)));
    }
  }
  for (const auto& name : names()) {
    if (expected.count(name) != 0) continue;
    const StoredTensor* tensor = find(name);
    differences.add(fmt::format("extra: '{}' of shape {} in {}", shown(name),
                                shape_text(tensor->view), tensor->file));
  }
  require(differences.count() == 0, ExitCode::input,
          "{}: its tensors are not those of the model ({} differences); check that checkpoint and "
          "configuration describe the same model\n  {}",
          description(), differences.count(), differences.text());
}

std::unique_ptr<TensorStore> open_tensor_file(const std::string& path) {
  return std::make_unique<MappedStore>(read_tensor_file(path), path);
}

}  // namespace causeway
