// Tensors in the files that torch.save writes (`.pt`, `.pth`).
// Layout: a ZIP archive with one top folder of any name, holding `data.pkl` (the object),
// `data/KEY` (the raw storages), `version` and, in newer files, `byteorder`; torch/serialization.py
// and torch/_utils.py.
#include "checkpoint/torch_file.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "checkpoint/pickle.hpp"
#include "checkpoint/wording.hpp"
#include "checkpoint/zip_archive.hpp"

namespace causeway {
namespace {

constexpr std::string_view zip_start("PK\x03\x04", 4);
constexpr std::string_view pickle_start("\x80\x02", 2);  ///< torch.save before 1.6

constexpr std::string_view rebuild_tensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view rebuild_parameter = "torch._utils._rebuild_parameter";
constexpr std::string_view rebuild_from_type = "torch._tensor._rebuild_from_type_v2";

constexpr std::array<std::pair<std::string_view, ElementType>, 8> storage_classes{{
    {"torch.FloatStorage", ElementType::f32},
    {"torch.HalfStorage", ElementType::f16},
    {"torch.BFloat16Storage", ElementType::bf16},
    {"torch.DoubleStorage", ElementType::f64},
    {"torch.LongStorage", ElementType::i64},
    {"torch.IntStorage", ElementType::i32},
    {"torch.ByteStorage", ElementType::u8},
    {"torch.BoolStorage", ElementType::u8},
}};

constexpr auto allowed_globals = [] {
  std::array<std::string_view, storage_classes.size() + 5> names{rebuild_tensor, rebuild_parameter,
                                                                 rebuild_from_type, "torch.Tensor",
                                                                 "torch.nn.parameter.Parameter"};
  for (std::size_t i = 0; i < storage_classes.size(); ++i) names[i + 5] = storage_classes[i].first;
  return names;
}();

/// A tensor is a call of one of these; each wraps another, and ends in `rebuild_tensor`.
bool is_tensor(const PickleValue& value) {
  return value.is_call_of(rebuild_tensor) || value.is_call_of(rebuild_parameter) ||
         value.is_call_of(rebuild_from_type);
}

bool has_tensors(const PickleValue& value) {
  if (!value.is(PickleKind::dictionary)) return false;
  for (std::size_t i = 1; i < value.items.size(); i += 2) {
    if (is_tensor(*value.items[i])) return true;
  }
  return false;
}

const PickleValue* entry_of(const PickleValue& dictionary, std::string_view key) {
  for (std::size_t i = 0; i + 1 < dictionary.items.size(); i += 2) {
    const PickleValue& name = *dictionary.items[i];
    if (name.is(PickleKind::text) && name.text == key) return dictionary.items[i + 1];
  }
  return nullptr;
}

/// The dictionary of the weights to run: the averaged student before the student itself.
const PickleValue& choose_dictionary(const PickleValue& root, const std::string& file) {
  require(root.is(PickleKind::dictionary), ExitCode::input,
          "'{}' holds no dictionary (torch.save was given something else); save a state dictionary",
          file);
  for (const std::string_view key : {"generator_ema", "generator", "model"}) {
    const PickleValue* entry = entry_of(root, key);
    if (entry != nullptr && has_tensors(*entry)) return *entry;
  }
  if (has_tensors(root)) return root;
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < root.items.size() && keys.size() < 10; i += 2) {
    if (root.items[i]->is(PickleKind::text)) keys.push_back(shown(root.items[i]->text));
  }
  fail(ExitCode::input,
       "'{}' has no tensors under 'generator_ema', 'generator' or 'model', nor at its top level "
       "(its "
       "keys begin: {}); save the wanted state dictionary alone",
       file, fmt::join(keys, ", "));
}

/// Turns uncalled tensors into views of the storages in the archive.
class TensorReader {
 public:
  explicit TensorReader(const ZipArchive& archive, std::string folder)
      : archive_(archive), folder_(std::move(folder)) {}

  StoredTensor read(std::string_view name, const PickleValue& value) {
    name_ = name;
    const PickleValue* function = value.items[0];
    const PickleValue* arguments = value.items[1];
    // (tensor, requires_grad, hooks) and (function, type, arguments, state) wrap a tensor; either
    // may wrap the other, but honest files do so once each.
    for (int depth = 0; !function->is_global(rebuild_tensor); ++depth) {
      if (depth == 4) refuse("is wrapped too deep");
      const auto& items = arguments->items;
      if (function->is_global(rebuild_parameter) && items.size() >= 2 &&
          items[0]->is(PickleKind::call)) {
        function = items[0]->items[0];
        arguments = items[0]->items[1];
      } else if (function->is_global(rebuild_from_type) && items.size() == 4 &&
                 items[2]->is(PickleKind::tuple)) {
        function = items[0];
        arguments = items[2];
      } else {
        refuse("is built in an unknown way");
      }
    }
    return read_arguments(arguments->items);
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    fail(ExitCode::input, "'{}': tensor '{}' {}; the file is damaged or not from torch.save",
         archive_.path(), shown(name_), reason);
  }

  /// (storage, offset in elements, shape, strides in elements, requires_grad, hooks[, metadata])
  StoredTensor read_arguments(const std::vector<const PickleValue*>& arguments) {
    if (arguments.size() < 6 || !arguments[1]->is(PickleKind::integer)) {
      refuse("is built in an unknown way");
    }
    ElementType type{};
    const Bytes storage = read_storage(*arguments[0], type);
    const auto shape = read_sizes(*arguments[2], "shape");
    const auto strides = read_sizes(*arguments[3], "strides");
    if (shape.size() != strides.size()) refuse("has another number of strides than of axes");
    const std::int64_t offset = arguments[1]->integer;
    const auto count = checked_product(shape);
    const auto elements = static_cast<std::int64_t>(storage.size() / bytes_of(type));
    if (!count.has_value() || offset < 0 || !fits(offset, shape, strides, elements)) {
      refuse(fmt::format("of shape {}, strides {} and offset {} leaves its storage of {} elements",
                         shape_text(shape), shape_text(strides), offset, elements));
    }
    // A few bytes could otherwise claim petabytes, by strides of zero.
    if (*count > elements) {
      refuse(fmt::format(
          "of shape {} repeats the elements of its storage (it has {}); save a copy made "
          "with contiguous()",
          shape_text(shape), elements));
    }
    StoredTensor tensor;
    tensor.name = tensor.stored_name = name_;
    tensor.file = archive_.path();
    // A tensor of no elements may claim any offset; its address is never read.
    const std::int64_t start = *count == 0 ? 0 : offset * static_cast<std::int64_t>(bytes_of(type));
    tensor.view = make_view<const void*>(storage.data() + start, type, shape.data(),
                                         static_cast<int>(shape.size()));
    std::copy(strides.begin(), strides.end(), tensor.view.stride.begin());
    tensor.bytes = static_cast<std::size_t>(*count) * bytes_of(type);
    return tensor;
  }

  /// Whether the last element lies in the storage. Strides of torch are never negative.
  static bool fits(std::int64_t offset, const std::vector<std::int64_t>& shape,
                   const std::vector<std::int64_t>& strides, std::int64_t elements) {
    if (std::any_of(strides.begin(), strides.end(), [](auto stride) { return stride < 0; }))
      return false;
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return true;
    std::int64_t left = elements - 1 - offset;  // how far the last element may lie behind the first
    if (offset >= elements) return false;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      const std::int64_t steps = shape[axis] - 1;
      if (steps != 0 && strides[axis] > left / steps) return false;
      left -= steps * strides[axis];
    }
    return true;
  }

  std::vector<std::int64_t> read_sizes(const PickleValue& value, const char* what) {
    if (!value.is(PickleKind::tuple)) refuse(fmt::format("has {} that are no tuple", what));
    if (value.items.size() > static_cast<std::size_t>(max_rank)) {
      refuse(fmt::format("has {} axes (at most {} are known)", value.items.size(), max_rank));
    }
    std::vector<std::int64_t> sizes;
    for (const auto* item : value.items) {
      if (!item->is(PickleKind::integer) || item->integer < 0) {
        refuse(fmt::format("has {} that are not whole numbers from 0", what));
      }
      sizes.push_back(item->integer);
    }
    return sizes;
  }

  /// ('storage', class, key, device, element count)
  Bytes read_storage(const PickleValue& value, ElementType& type) {
    if (!value.is(PickleKind::persistent) || !value.items[0]->is(PickleKind::tuple)) {
      refuse("has no storage");
    }
    const auto& id = value.items[0]->items;
    if (id.size() != 5 || !id[0]->is(PickleKind::text) || id[0]->text != "storage" ||
        !id[1]->is(PickleKind::global) || !id[2]->is(PickleKind::text) ||
        !id[4]->is(PickleKind::integer) || id[4]->integer < 0) {
      refuse("has a storage of an unknown kind");
    }
    const auto place = std::find_if(storage_classes.begin(), storage_classes.end(),
                                    [&](const auto& known) { return known.first == id[1]->text; });
    if (place == storage_classes.end()) refuse("has a storage of an unknown kind");
    type = place->second;
    const Bytes bytes = archive_.member(fmt::format("{}/data/{}", folder_, id[2]->text));
    const auto claimed =
        checked_product({id[4]->integer, static_cast<std::int64_t>(bytes_of(type))});
    if (!claimed.has_value() || static_cast<std::uint64_t>(*claimed) != bytes.size()) {
      refuse(fmt::format("claims a storage of {} elements of {} (it has {} bytes)", id[4]->integer,
                         name_of(type), bytes.size()));
    }
    return bytes;
  }

  const ZipArchive& archive_;
  std::string folder_;
  std::string name_;  ///< of the tensor being read
};

/// The one top folder, whose name is any.
std::string find_folder(const ZipArchive& archive) {
  constexpr std::string_view object = "/data.pkl";
  std::vector<std::string> folders;
  for (const auto& name : archive.names()) {
    if (name.ends_with(object) && name.find('/') == name.size() - object.size()) {
      folders.push_back(name.substr(0, name.size() - object.size()));
    }
  }
  require(
      folders.size() == 1, ExitCode::input,
      "'{}' is a ZIP archive with {} members FOLDER/data.pkl (a file of torch.save has one); check "
      "the file",
      archive.path(), folders.size());
  return folders.front();
}

}  // namespace

bool is_torch_file(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  // A safetensors file whose header has 0x0280 bytes begins like a pickle; its header begins at
  // byte 8.
  const bool safetensors = text.size() > 8 && text[8] == '{';
  return text.starts_with(zip_start) || (text.starts_with(pickle_start) && !safetensors);
}

TensorTable read_torch_file(const std::shared_ptr<const MappedFile>& file) {
  require(!as_text(file->bytes()).starts_with(pickle_start), ExitCode::input,
          "'{}' was saved by PyTorch older than 1.6, or in its old format (not a ZIP archive); "
          "load and "
          "re-save it with torch.save",
          file->path());
  const ZipArchive archive(file);
  const std::string folder = find_folder(archive);
  if (archive.contains(folder + "/byteorder")) {
    const std::string_view order = as_text(archive.member(folder + "/byteorder"));
    require(order == "little", ExitCode::input,
            "'{}' has byte order '{}' (only little-endian files are read); re-save it on a "
            "little-endian "
            "machine",
            file->path(), shown(order));
  }
  const Pickle pickle(archive.member(folder + "/data.pkl"), allowed_globals, file->path());
  const PickleValue& chosen = choose_dictionary(pickle.root(), file->path());
  TensorReader reader(archive, folder);
  TensorTable table;
  table.files.push_back(file);
  std::set<std::string_view> names;
  for (std::size_t i = 0; i + 1 < chosen.items.size(); i += 2) {
    const PickleValue& key = *chosen.items[i];
    const PickleValue& value = *chosen.items[i + 1];
    if (!is_tensor(value)) continue;
    require(key.is(PickleKind::text), ExitCode::input,
            "'{}' has a tensor whose key is no text (names are expected); save a state dictionary",
            file->path());
    require(names.insert(key.text).second, ExitCode::input,
            "'{}' has two tensors '{}' (a dictionary has one of each name); the file is damaged",
            file->path(), shown(key.text));
    table.tensors.push_back(reader.read(key.text, value));
  }
  return table;
}

}  // namespace causeway
