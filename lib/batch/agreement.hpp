// Phases that all ranks of a run end together, with or without an error.
#pragma once

#include <functional>

#include "comm/comm.hpp"

namespace causeway {

/// An error that every rank of the run has heard of; only rank 0's is meant to be printed.
class AgreedError : public Error {
 public:
  AgreedError(ExitCode code, const std::string& message, bool to_be_printed)
      : Error(code, message), to_be_printed_(to_be_printed) {}
  bool to_be_printed() const { return to_be_printed_; }

 private:
  bool to_be_printed_;
};

/// Runs `work` on this rank; then all ranks agree. If it failed anywhere, all throw AgreedError
/// with the exit code of the first rank that failed; rank 0's message quotes every distinct problem
/// and its ranks.
void collectively(Communicator& world, const std::function<void()>& work);

/// Does `work`, in which ranks wait for each other: whoever fails alone must end the run for all,
/// and does so here, with its message and exit code.
void or_abort(Process& process, const std::function<void()>& work);

}  // namespace causeway
