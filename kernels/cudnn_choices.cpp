// What was found out about cuDNN's plans on this kind of GPU: the one thing that streams share.
#include "kernels/cudnn_choices.hpp"

#include <sstream>
#include <utility>

namespace causeway::kernels::CAUSEWAY_DEVICE {

CudnnChoices::CudnnChoices(std::string header) : header_(std::move(header)) {}

std::optional<std::string> CudnnChoices::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(key);
  return found == names_.end() ? std::nullopt : std::optional(found->second);
}

void CudnnChoices::keep(const std::string& key, const std::string& name) {
  const std::lock_guard lock(mutex_);
  names_.insert_or_assign(key, name);
}

std::string CudnnChoices::text() const {
  if (header_.empty()) return {};
  const std::lock_guard lock(mutex_);
  std::string text = header_ + '\n';
  for (const auto& [key, name] : names_) text += key + ' ' + name + '\n';
  return text;
}

void CudnnChoices::take(const std::string& text) {
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line) && line != header_) {
  }
  while (std::getline(lines, line)) {
    const auto space = line.rfind(' ');
    if (space != std::string::npos) keep(line.substr(0, space), line.substr(space + 1));
  }
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
