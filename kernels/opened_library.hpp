// A library of NVIDIA's that is opened at the first call of one of its functions.
//
// A program that is linked to such a library spends a good part of a second and hundreds of
// megabytes on it at every start, on machines without a GPU too, and does not start where it is not
// installed.
#pragma once

#include <dlfcn.h>

#include <string>

namespace causeway::kernels {

class OpenedLibrary {
 public:
  /// Looks where the system looks for libraries, then in `folder`, where the library was at the
  /// time of the build.
  OpenedLibrary(const std::string& name, const std::string& folder) {
    handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) return;
    problem_ = dlerror();
    handle_ = dlopen((folder + "/" + name).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) problem_.clear();
  }

  /// Why there is none; empty if there is.
  const std::string& problem() const { return problem_; }

  void* find(const char* function) const {
    return handle_ == nullptr ? nullptr : dlsym(handle_, function);
  }

 private:
  void* handle_ = nullptr;
  std::string problem_;
};

/// The function of this name and of the header's declaration `function`, looked for once; null
/// where the library has none.
template <auto function>
auto find_in(const OpenedLibrary& library, const char* name) {
  static const auto found = reinterpret_cast<decltype(function)>(library.find(name));
  return found;
}

/// Calls it; `missing` is the answer where there is none.
template <auto function, class Answer, class... Arguments>
Answer call_in(const OpenedLibrary& library, Answer missing, const char* name,
               Arguments... arguments) {
  const auto found = find_in<function>(library, name);
  return found == nullptr ? missing : found(arguments...);
}

}  // namespace causeway::kernels
