// The face of lib/checkpoint: named tensors in memory-mapped files, and published folder layouts.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "tensor/tensor.hpp"

namespace causeway {

/// A tensor as it lies in a file: a view into the mapping. Strides are those of the file (a `.pt`
/// may hold transposed views) and the address may be misaligned for the element (nothing in the
/// formats forbids it): go through `contiguous()` where numbers are read.
struct StoredTensor {
  std::string name;       ///< after prefix stripping and renaming to the original (Wan, umT5) names
  std::string file;       ///< path, for messages
  ConstView view;         ///< f32, f16, bf16; others are listed, but refused on use
  std::size_t bytes = 0;  ///< of its elements
  std::string stored_name;  ///< as it stands in the file, for messages
};

/// A tensor whose elements lie without gaps at an aligned address.
struct ContiguousTensor {
  Tensor copy;     ///< empty where the file can be used in place
  ConstView view;  ///< into the file or into `copy`
};

/// The tensor in place where it is contiguous and aligned in its file, a copy of it otherwise.
ContiguousTensor contiguous(const StoredTensor& tensor);

/// All tensors of one network. Files stay mapped while the store lives.
class TensorStore {
 public:
  virtual ~TensorStore() = default;
  /// Names in byte order.
  virtual std::vector<std::string> names() const = 0;
  virtual const StoredTensor* find(std::string_view name) const = 0;
  /// The tensor, about to be used: its pages are prefetched. Error(input) where there is none (the
  /// message names the network, its files and the nearest known names) or its type is not f32, f16
  /// or bf16.
  const StoredTensor& at(std::string_view name) const;
  /// As `at`, and checks the shape: "X: tensor N in FILE has shape A (expected B); …".
  const StoredTensor& at(std::string_view name, const std::vector<std::int64_t>& shape) const;
  /// What this store is, for messages: "transformer of /path".
  virtual const std::string& description() const = 0;
  /// The files behind it.
  virtual std::vector<std::string> files() const = 0;
  /// Tells the kernel that the pages of this tensor are not needed in this process for now (they
  /// stay in the page cache): call after conversion, so that resident memory counts one copy.
  virtual void release_pages(const StoredTensor& tensor) const = 0;
  /// Tells the kernel that this tensor is wanted soon; does not wait.
  void prefetch(const StoredTensor& tensor) const {
    if (reads_ahead_) do_prefetch(tensor);
  }
  /// Whether it does: not where shapes alone are wanted.
  void read_ahead(bool on) { reads_ahead_ = on; }
  /// Every name must be in `expected` (name → shape) and the other way round; all differences
  /// (missing, extra, misshapen) in one Error(input).
  void check_exactly(const std::map<std::string, std::vector<std::int64_t>>& expected) const;

 protected:
  virtual void do_prefetch(const StoredTensor&) const {}

 private:
  bool reads_ahead_ = true;
};

/// One safetensors file, sharded index (`*.safetensors.index.json`), or PyTorch zip (`.pt`/`.pth`),
/// recognised by its content. Names are as stored, save that prefixes of training wrappers are
/// stripped; of a PyTorch file the dictionary `generator_ema`, `generator`, `model` or the top
/// level is taken, the first of these that holds tensors. Nothing in a file is ever executed.
/// Throws Error(input) naming file and tensor.
std::unique_ptr<TensorStore> open_tensor_file(const std::string& path);

/// Which publisher's layout a folder follows.
enum class Layout { wan, diffusers };

/// An opened checkpoint folder. Tensor names come out as the original Wan / umT5 names for both
/// layouts.
struct CheckpointFolder {
  std::string path;
  Layout layout = Layout::wan;
  std::unique_ptr<TensorStore> transformer, vae, text_encoder;  ///< null where absent
  std::string transformer_config;   ///< JSON text of its config file, or ""
  std::string vae_config;           ///< JSON text, or ""
  std::string text_encoder_config;  ///< JSON text, or ""
  std::string tokenizer_folder;  ///< path of the folder with tokenizer.json or spiece.model, or ""
};

/// Opens what is at `path`: an original Wan folder or a diffusers folder, recognised by what is in
/// it. A file may be named instead: a tensor file is then the transformer, and its folder gives the
/// rest. `transformer_file`, if not empty, is a Self-Forcing `.pt` or another file whose tensors
/// replace the folder's transformer (which may then be absent). Parts that are absent come out null
/// or empty. Throws Error(input): nothing recognised there (what was looked for), several
/// candidates for one part, a broken file.
CheckpointFolder open_checkpoint(const std::string& path, const std::string& transformer_file);

}  // namespace causeway
