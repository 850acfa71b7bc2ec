// The safetensors format (a JSON header, then the raw tensors), and indices of such files.
#include "checkpoint/safetensors.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "checkpoint/bytes.hpp"
#include "checkpoint/safetensors_header.hpp"
#include "checkpoint/wording.hpp"

namespace causeway {
namespace {

constexpr std::uint64_t length_bytes = 8;            ///< the header's length, little-endian
constexpr std::uint64_t longest_header = 100000000;  ///< the limit of the format's reference reader

std::optional<ElementType> element_type(std::string_view name) {
  // Booleans are listed as bytes. Types that no view can express (F8, I16, U64, …) have no place
  // here.
  static constexpr std::array<std::pair<std::string_view, ElementType>, 8> known{{
      {"F32", ElementType::f32},
      {"F16", ElementType::f16},
      {"BF16", ElementType::bf16},
      {"F64", ElementType::f64},
      {"I64", ElementType::i64},
      {"I32", ElementType::i32},
      {"U8", ElementType::u8},
      {"BOOL", ElementType::u8},
  }};
  for (const auto& [text, type] : known) {
    if (text == name) return type;
  }
  return std::nullopt;
}

/// The text of the header; `data` becomes what follows it.
std::string_view split_header(const MappedFile& file, Bytes& data) {
  const Bytes bytes = file.bytes();
  require(bytes.size() >= length_bytes, ExitCode::input,
          "'{}' has {} bytes (too few for a safetensors file, and it is no PyTorch file); check "
          "that it "
          "was copied whole",
          file.path(), bytes.size());
  const auto length = load<std::uint64_t>(bytes, 0);
  require(
      length <= longest_header, ExitCode::input,
      "'{}' is not a safetensors file (it begins with a header length of {} bytes; at most {} are "
      "allowed) and not a PyTorch file; check the file",
      file.path(), length, longest_header);
  require(lies_within(length_bytes, length, bytes.size()), ExitCode::input,
          "'{}': the header of {} bytes reaches past the end of the file ({} bytes); the file is "
          "truncated, copy it again",
          file.path(), length, bytes.size());
  data = bytes.subspan(length_bytes + length);
  return as_text(bytes.subspan(length_bytes, length));
}

StoredTensor make_tensor(const SafetensorsEntry& entry, const MappedFile& file, Bytes data) {
  const std::string name = shown(entry.name);
  const auto type = element_type(entry.type);
  require(
      type.has_value(), ExitCode::input,
      "'{}': tensor '{}' has element type '{}' (known: F32, F16, BF16; F64, I64, I32, U8 and BOOL "
      "are listed only); convert the checkpoint",
      file.path(), name, shown(entry.type));
  require(
      entry.begin <= entry.end && entry.end <= data.size(), ExitCode::input,
      "'{}': tensor '{}' lies at bytes {} to {} (the file has {} bytes of tensors); the file is "
      "truncated or damaged, copy it again",
      file.path(), name, entry.begin, entry.end, data.size());
  std::vector<std::int64_t> factors = entry.shape;
  factors.push_back(static_cast<std::int64_t>(bytes_of(*type)));
  const auto bytes = checked_product(factors);
  require(bytes.has_value() && static_cast<std::uint64_t>(*bytes) == entry.end - entry.begin,
          ExitCode::input,
          "'{}': tensor '{}' of type {} and shape {} has {} bytes (they do not agree); the file is "
          "damaged",
          file.path(), name, entry.type, shape_text(entry.shape), entry.end - entry.begin);
  StoredTensor tensor;
  tensor.name = tensor.stored_name = entry.name;
  tensor.file = file.path();
  tensor.view = make_view<const void*>(data.data() + entry.begin, *type, entry.shape.data(),
                                       static_cast<int>(entry.shape.size()));
  tensor.bytes = static_cast<std::size_t>(*bytes);
  return tensor;
}

/// The format allows neither gaps nor overlaps: hidden bytes could smuggle anything.
void check_tiling(std::vector<SafetensorsEntry> entries, const MappedFile& file, Bytes data) {
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t reached = 0;
  for (const auto& entry : entries) {
    require(
        entry.begin == reached, ExitCode::input,
        "'{}': tensor '{}' begins at byte {} (the one before it ends at {}, which leaves {}); the "
        "file is damaged",
        file.path(), shown(entry.name), entry.begin, reached,
        entry.begin < reached ? "an overlap" : "a gap");
    reached = entry.end;
  }
  require(reached == data.size(), ExitCode::input,
          "'{}': the tensors end at byte {} (the file goes on to {}); the file is damaged",
          file.path(), reached, data.size());
}

/// Whether a shard's name stays in the folder of its index.
bool is_plain_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

}  // namespace

TensorTable read_safetensors(const std::shared_ptr<const MappedFile>& file) {
  Bytes data;
  const std::string_view header = split_header(*file, data);
  const auto entries = parse_safetensors_header(header, file->path());
  TensorTable table;
  table.files.push_back(file);
  for (const auto& entry : entries) table.tensors.push_back(make_tensor(entry, *file, data));
  check_tiling(entries, *file, data);
  return table;
}

TensorTable read_safetensors_index(const std::string& path) {
  const MappedFile index(path);
  require(index.bytes().size() <= longest_header, ExitCode::input,
          "'{}' has {} bytes (at most {} are allowed for an index of shards); check the file", path,
          index.bytes().size(), longest_header);
  const auto weight_map = parse_weight_map(as_text(index.bytes()), path);
  std::set<std::string> shards;
  for (const auto& [name, shard] : weight_map) {
    require(
        is_plain_file_name(shard), ExitCode::input,
        "'{}': tensor '{}' is said to lie in '{}' (shards must be files beside the index, without "
        "any path); the index is damaged or hostile",
        path, shown(name), shown(shard));
    shards.insert(shard);
  }
  const auto path_of = [&](const std::string& shard) {
    return (std::filesystem::path(path).parent_path() / shard).string();
  };
  for (const auto& shard : shards) {
    require(std::filesystem::exists(path_of(shard)), ExitCode::input,
            "'{}': the shard '{}' is missing (the index names it); copy it beside the index", path,
            shown(path_of(shard)));
  }
  TensorTable table;
  std::set<std::string> found;
  for (const auto& shard : shards) {
    TensorTable part = read_safetensors(std::make_shared<const MappedFile>(path_of(shard)));
    for (auto& tensor : part.tensors) {
      const auto place = weight_map.find(tensor.name);
      require(place != weight_map.end() && place->second == shard, ExitCode::input,
              "'{}': tensor '{}' lies in '{}' (the index does not say so); index and shards do not "
              "belong together",
              path, shown(tensor.name), shown(shard));
      found.insert(tensor.name);
      table.tensors.push_back(std::move(tensor));
    }
    table.files.push_back(std::move(part.files.front()));
  }
  for (const auto& [name, shard] : weight_map) {
    require(found.count(name) != 0, ExitCode::input,
            "'{}': tensor '{}' is not in its shard '{}' (the index names it there); index and "
            "shards do "
            "not belong together",
            path, shown(name), shown(shard));
  }
  return table;
}

}  // namespace causeway
