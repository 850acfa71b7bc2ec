// HDF5's C API made safe: handles that close themselves, one check for every return code.
// For the sources of lib/output only; no header that others include may include this one.
#pragma once

#include <hdf5.h>

#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.hpp"

namespace causeway::hdf5 {

/// Holds the library for one task: one thread at a time (whatever flavour is linked), and its own
/// printing of errors off, since they go into our messages.
class Session {
 public:
  Session();
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  std::unique_lock<std::mutex> lock_;
  H5E_auto2_t printer_ = nullptr;
  void* printer_data_ = nullptr;
};

/// What HDF5's error stack of this thread says, outermost first; empties the stack.
std::string error_text();

/// Whose fault a failure is: the file that is read or written.
struct Blame {
  ExitCode code;     ///< input or output
  std::string what;  ///< "cannot read latents 'PATH'"
  const char* advice;
};

/// Throws for the negative results by which HDF5 reports every failure, else passes the result on.
template <class Result>
Result check(Result result, std::string_view step, const Blame& blame) {
  if (result < 0) {
    fail(blame.code, "{}: {} failed ({}); {}", blame.what, step, error_text(), blame.advice);
  }
  return result;
}

/// An identifier and the function that closes it.
class Handle {
 public:
  Handle(hid_t id, herr_t (*closer)(hid_t)) : id_(id), close_(closer) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&&) = delete;
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  operator hid_t() const { return id_; }
  /// Closes now, for whoever wants to know how that went.
  herr_t close() { return close_(std::exchange(id_, -1)); }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

}  // namespace causeway::hdf5
