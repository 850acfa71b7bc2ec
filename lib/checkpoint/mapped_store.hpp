// The tensors of one network, as views into mapped files.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/mapped_file.hpp"

namespace causeway {

/// What a reader of one file format returns.
struct TensorTable {
  std::vector<std::shared_ptr<const MappedFile>> files;
  std::vector<StoredTensor> tensors;
};

/// Bytes from the first to the last element of a view, which may skip some between.
std::size_t extent_bytes(const ConstView& view);

/// The store that keeps a table's files mapped.
class MappedStore final : public TensorStore {
 public:
  /// Throws Error(input) where two tensors of the table have one name.
  MappedStore(TensorTable table, std::string description);

  std::vector<std::string> names() const override;
  const StoredTensor* find(std::string_view name) const override;
  const std::string& description() const override { return description_; }
  std::vector<std::string> files() const override;
  void release_pages(const StoredTensor& tensor) const override;

 protected:
  void do_prefetch(const StoredTensor& tensor) const override;

 private:
  const MappedFile* file_of(const StoredTensor& tensor) const;

  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::map<std::string, StoredTensor, std::less<>> tensors_;  ///< in byte order of the names
  std::string description_;
};

}  // namespace causeway
