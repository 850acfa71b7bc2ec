// Every backend of this machine is opened once.
#include "support/device_on_host/backends.hpp"

#include <map>
#include <optional>

#include "ops/backend.hpp"
#include "support/device_on_host/device_on_host.hpp"

namespace causeway::testing {
namespace {

std::optional<Ops> gpu(bool libraries) {
  try {
    return open_backend(true, 0, !libraries);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<Ops> cpu(const std::string& name) {
  const auto* kernels =
      name == "best" ? kernels::cpu_kernels() : kernels::cpu_kernels_named(name.c_str());
  return kernels == nullptr ? std::nullopt : std::optional<Ops>(*kernels);
}

}  // namespace

const std::vector<std::string>& backend_names() {
  static const std::vector<std::string> names{
      "best", "avx2",         "baseline", "device_on_host", "device_with_libraries_on_host",
      "gpu",  "gpu_libraries"};
  return names;
}

const Ops* ops_named(const std::string& name) {
  if (name == "device_on_host") return device_on_host();
  if (name == "device_with_libraries_on_host") return device_with_libraries_on_host();
  static std::map<std::string, std::optional<Ops>> opened;
  auto found = opened.find(name);
  if (found == opened.end()) {
    const bool on_gpu = name.starts_with("gpu");
    found = opened.emplace(name, on_gpu ? gpu(name == "gpu_libraries") : cpu(name)).first;
  }
  return found->second ? &*found->second : nullptr;
}

}  // namespace causeway::testing
