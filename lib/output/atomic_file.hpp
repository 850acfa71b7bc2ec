// Files that appear under their final name only when they are whole and on disk.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace causeway {

/// One file on its way. It is filled under a hidden temporary name in the folder of the final one
/// (`.NAME.tmp-HOST-PID-N`) and gets its final name in one step; without that step the destructor
/// removes it. All failures are `Error(output)` that name the path and say what to try.
class AtomicFile {
 public:
  /// Creates the empty temporary file; `path` is the final name, whose folder must exist.
  explicit AtomicFile(std::filesystem::path path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  ~AtomicFile();

  const std::filesystem::path& path() const { return path_; }
  /// Where the bytes are until `publish()`; another library may write there by name.
  const std::filesystem::path& temporary() const { return temporary_; }

  /// Appends at this object's own position, which starts at 0.
  void write(std::span<const std::byte> bytes);
  /// Waits until what was written so far, by whomever, is on the disk.
  void sync();
  /// Syncs, closes and renames to the final name (a file of that name is replaced), then syncs the
  /// folder. After that the object is empty: no `write`, no second `publish`.
  void publish();

 private:
  void discard() noexcept;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;  // open from the first byte to the last, so that no write error is missed
};

/// Makes the folder and its parents, durably; one that exists is fine. Throws `Error(output)`.
void make_directories(const std::filesystem::path& folder);

/// The whole text under that name or, after an `Error(output)`, the old file as it was.
void write_text_atomically(const std::filesystem::path& path, std::string_view text);

/// Throws `Error(output)`: "cannot ACTION 'PATH': system's text (...); advice" for that errno.
[[noreturn]] void fail_output(std::string_view action, const std::filesystem::path& path,
                              int error_number);

}  // namespace causeway
