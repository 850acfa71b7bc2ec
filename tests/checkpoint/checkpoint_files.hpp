// Checkpoint files made byte by byte, and the checks that tests of lib/checkpoint share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"

namespace causeway::testing {

/// A fresh folder that goes away with its contents.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();

  std::string path(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }
  /// Writes a file, with the folders on its way, and returns its path.
  std::string write(const std::string& name, const std::string& bytes) const;
  /// Copies a fixture (a file or a whole folder) to `name`.
  std::string copy(const std::string& fixture, const std::string& name) const;

 private:
  std::filesystem::path path_;
};

/// Path of a committed fixture.
std::string fixture(const std::string& name);
std::string read_file(const std::string& path);

/// A number as the bytes of a little-endian machine.
template <class T>
std::string little_endian(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

/// A safetensors file: length, header, data.
std::string safetensors_bytes(const std::string& header, const std::string& data);

/// A member of an archive to be written; fields that honest writers never change have defaults.
struct ZipMember {
  std::string name, data;
  std::uint16_t method = 0, flags = 0;
  std::string local_name;  ///< where it differs from `name`
};

/// A ZIP archive of stored members; with `zip64` all sizes and offsets are in ZIP64 records.
std::string zip_bytes(const std::vector<ZipMember>& members, bool zip64 = false);

/// Parts of pickles of protocol 2.
std::string pickled_text(const std::string& text);
std::string pickled_integer(std::int64_t value);
std::string pickled_tuple(const std::vector<std::int64_t>& values);

/// A tensor as torch.save pickles it, with every number at will.
struct PickledTensor {
  std::string storage_class = "FloatStorage", key = "0";
  std::int64_t storage_elements = 6, offset = 0;
  std::vector<std::int64_t> shape = {2, 3}, strides = {3, 1};
  std::string bytes() const;
};

/// {"w": value} as a pickle, from the bytes that push the value.
std::string pickled_dictionary(const std::string& value);

/// A file of torch.save with this pickle and one storage `0` of 6 f32 (0 to 5).
std::string torch_bytes(const std::string& pickle, const std::vector<ZipMember>& more = {});

/// Element i of the fixtures' tensors of number k.
inline float fixture_number(std::int64_t i, int k) {
  return static_cast<float>((7 * i + k) % 23 - 11) / 8.0f;
}

/// The elements of a tensor in row-major order.
std::vector<float> values_of(const StoredTensor& tensor);
std::vector<std::int64_t> shape_of(const StoredTensor& tensor);
/// Whether the tensor is that of number k, whole.
bool holds_numbers(const StoredTensor& tensor, int k);

/// Runs `action` and expects Error(input) whose message has every fragment.
template <class Action>
void expect_refused(Action action, const std::vector<std::string>& fragments);
void check_refusal(const Error* error, const std::vector<std::string>& fragments);

template <class Action>
void expect_refused(Action action, const std::vector<std::string>& fragments) {
  try {
    action();
  } catch (const Error& error) {
    check_refusal(&error, fragments);
    return;
  }
  check_refusal(nullptr, fragments);
}

/// Opening the file must fail, with its path and these fragments in the message.
void expect_file_refused(const std::string& path, std::vector<std::string> fragments);

}  // namespace causeway::testing
