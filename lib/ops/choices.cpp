// What a backend found out about its own variants, in a file.
#include "ops/choices.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>

namespace causeway {
namespace {

namespace fs = std::filesystem;

/// The file of a device and library, named by the first line; empty where there is nothing to keep.
fs::path file_of(const fs::path& folder, const std::string& choices) {
  std::string name = choices.substr(0, choices.find('\n'));
  if (name.empty() || folder.empty()) return {};
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0 && c != '.'; },
      '_');
  return folder / (name + ".txt");
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  return text.str();
}

}  // namespace

fs::path choices_folder() {
  if (const auto own = variable("CAUSEWAY_CACHE_DIR"); !own.empty()) return own;
  if (const auto cache = variable("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "causeway";
  if (const auto home = variable("HOME"); !home.empty()) return fs::path(home) / ".cache/causeway";
  return {};
}

void load_choices(const Ops& ops, const fs::path& folder) {
  const fs::path path = file_of(folder, ops.kernels().choices());
  if (!path.empty()) ops.kernels().use_choices(content_of(path));
}

bool save_choices(const Ops& ops, const fs::path& folder) {
  const fs::path path = file_of(folder, ops.kernels().choices());
  if (path.empty()) return true;
  const std::string there = content_of(path);
  ops.kernels().use_choices(there);  // other machines' runs may have written it meanwhile
  const std::string text = ops.kernels().choices();
  if (there == text) return true;
  std::error_code error;
  fs::create_directories(folder, error);
  std::string beside = path.string() + ".XXXXXX";
  const int descriptor = mkstemp(beside.data());
  if (descriptor < 0) return false;
  ::close(descriptor);
  std::ofstream file(beside, std::ios::binary);
  file << text;
  file.close();
  if (file) fs::rename(beside, path, error);
  if (file && !error) return true;
  fs::remove(beside, error);
  return false;
}

}  // namespace causeway
