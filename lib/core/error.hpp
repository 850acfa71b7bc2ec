// Errors that carry the exit code, and the two checks: `require` (outside world) and `expects`
// (us).
#pragma once

#include <fmt/format.h>

#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>

namespace causeway {

/// What the process returns to the shell.
enum class ExitCode : int {
  success = 0,
  some_samples_failed = 1,
  usage = 2,  ///< command line or configuration
  input = 3,  ///< an input file: prompts, checkpoint, video
  device = 4,
  communication = 5,
  output = 6,
  internal = 70,      ///< our own bug
  stopped_early = 75  ///< stopped on request; run again to resume
};

/// An error for a person. `what()` reads: what failed, with the value (why that is wrong); what to
/// try.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// Throws `Error(code, formatted message)`.
template <class... Args>
[[noreturn]] void fail(ExitCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

/// Checks something about the outside world; always on.
template <class... Args>
void require(bool condition, ExitCode code, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) fail(code, format, std::forward<Args>(args)...);
}

/// Checks a promise between our own functions; a failure is our bug (exit code 70).
inline void expects(bool condition, const char* promise,
                    std::source_location where = std::source_location::current()) {
  if (!condition) {
    fail(ExitCode::internal,
         "{}:{}: broken promise: {} (this is a bug in Causeway; please report it)",
         where.file_name(), where.line(), promise);
  }
}

}  // namespace causeway
