// Latents of one sample in one HDF5 file, with all that is needed to know where they came from.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace causeway {

/// How a latent is stored. bf16 is a 16-bit HDF5 float type that h5py reads as float32, exactly.
enum class LatentsType { f32, f16, bf16 };

/// "f32", "f16", "bf16".
std::string_view name_of(LatentsType type);

using AttributeValue = std::variant<std::string, std::int64_t, std::uint64_t, double>;
/// Name and value, in the order in which they are stored and listed. Strings are UTF-8.
using Attributes = std::vector<std::pair<std::string, AttributeValue>>;

/// The names under which every file of ours says where it came from.
namespace latents_attribute {
inline constexpr const char* id = "id";
inline constexpr const char* prompt = "prompt";  ///< text, or a JSON list where there are several
inline constexpr const char* seed = "seed";      ///< uint64
inline constexpr const char* configuration =
    "configuration";  ///< YAML text, every default filled in
inline constexpr const char* checkpoint = "checkpoint_hash";
inline constexpr const char* code_version = "code_version";
inline constexpr const char* precision = "precision";  ///< of the computation: "fp32", "bf16"
inline constexpr const char* scaling = "scaling";      ///< "normalised": (latent − mean) / std
inline constexpr const char* fps = "fps";              ///< frames per second of the decoded video
inline constexpr const char* height = "height";        ///< of the decoded video, pixels
inline constexpr const char* width = "width";
inline constexpr const char* timings = "timings";  ///< JSON text, seconds
}  // namespace latents_attribute

/// What is written.
struct LatentsFile {
  std::array<std::int64_t, 4> shape{};  ///< channels, frames, height, width
  std::span<const float> values;        ///< [channels, frames, height, width], contiguous
  LatentsType type = LatentsType::f32;
  Attributes attributes;  ///< of the file's root; text of any length without NUL bytes
};

/// What a file says about itself.
struct LatentsInfo {
  std::array<std::int64_t, 4> shape{};  ///< channels, frames, height, width
  LatentsType type = LatentsType::f32;
  std::int64_t stored_bytes = 0;  ///< of the dataset, checksums included
  Attributes attributes;
};

/// Writes dataset "latents" in chunks of one latent frame, each with a Fletcher-32 checksum, and
/// the attributes; the file appears whole under its name (see AtomicFile). The same data give the
/// same bytes. f16 and bf16 round to nearest even; beyond the range of f16 lies infinity. The file
/// is assembled in memory. Throws `Error(output)`; `Error(input)` for an attribute with a NUL byte.
void write_latents(const std::filesystem::path& path, const LatentsFile& file);

/// Shape, type and attributes, without reading the latents; verifies that every chunk is there.
/// Throws `Error(input)` that names the file when it is missing, not HDF5, cut off or not of ours.
LatentsInfo read_latents_info(const std::filesystem::path& path);

/// The latents as float32, [channels, frames, height, width], every checksum verified.
/// Throws `Error(input)` as above, and where a checksum does not match.
std::vector<float> read_latents(const std::filesystem::path& path);

}  // namespace causeway
