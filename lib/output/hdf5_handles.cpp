// The lock, the silence and the error text of hdf5_handles.hpp.
#include "output/hdf5_handles.hpp"

#include <array>
#include <vector>

namespace causeway::hdf5 {
namespace {

std::mutex& library_mutex() {
  static std::mutex mutex;
  return mutex;
}

herr_t collect(unsigned, const H5E_error2_t* error, void* collected) {
  if (error->desc == nullptr || error->desc[0] == '\0') return 0;
  static_cast<std::vector<std::string>*>(collected)->push_back(error->desc);
  return 0;
}

}  // namespace

Session::Session() : lock_(library_mutex()) {
  H5open();
  H5Eget_auto2(H5E_DEFAULT, &printer_, &printer_data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Session::~Session() {
  H5Eclear2(H5E_DEFAULT);
  H5Eset_auto2(H5E_DEFAULT, printer_, printer_data_);
}

std::string error_text() {
  std::vector<std::string> lines;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, collect, &lines);
  H5Eclear2(H5E_DEFAULT);
  if (lines.empty()) return "HDF5 gave no reason";
  // The innermost line is the cause, the outermost the call; what is between speaks to HDF5's
  // authors.
  return lines.size() == 1 ? lines.front() : lines.back() + ": " + lines.front();
}

}  // namespace causeway::hdf5
