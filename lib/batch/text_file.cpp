// Reading text files.
#include "batch/text_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

namespace causeway {

std::string read_text_file(const std::filesystem::path& path, std::string_view what, ExitCode code,
                           std::size_t most_bytes) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  require(status.type() != std::filesystem::file_type::not_found, code,
          "cannot read {} '{}' (there is no such file); check the path", what, path.string());
  require(!error, code, "cannot read {} '{}' ({}); check the path", what, path.string(),
          error.message());
  require(!std::filesystem::is_directory(status), code,
          "cannot read {} '{}' (it is a folder); give a file", what, path.string());
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  require(file.good(), code, "cannot read {} '{}' ({}); check its permissions", what, path.string(),
          std::strerror(errno));
  std::string text;
  const auto size = std::filesystem::file_size(path, error);
  if (!error && size <= most_bytes) text.reserve(size);
  char block[1 << 16];
  while (file.read(block, sizeof block), file.gcount() > 0) {
    text.append(block, static_cast<std::size_t>(file.gcount()));
    require(text.size() <= most_bytes, code,
            "cannot read {} '{}' (it is longer than {} bytes); is it the right file?", what,
            path.string(), most_bytes);
  }
  require(!file.bad(), code, "cannot read {} '{}' to its end ({}); check the file system", what,
          path.string(), std::strerror(errno));
  require(!text.starts_with("\xFF\xFE") && !text.starts_with("\xFE\xFF"), code,
          "cannot read {} '{}' (it is UTF-16); save it as UTF-8", what, path.string());
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

}  // namespace causeway
