// What was found out about cuDNN's plans on this kind of GPU: the one thing that streams share.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace causeway::kernels::CAUSEWAY_DEVICE {

/// Names of the fastest plans by the keys of their shapes. May be used by several threads at once.
class CudnnChoices {
 public:
  /// `header` is the line that names device and library; empty where there is no device.
  explicit CudnnChoices(std::string header);

  std::optional<std::string> find(const std::string& key) const;
  /// A key may have spaces, a name has none.
  void keep(const std::string& key, const std::string& name);

  /// Kernels::choices and Kernels::use_choices: a line for each, key, space and name.
  std::string text() const;
  void take(const std::string& text);

 private:
  const std::string header_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> names_;
};

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
