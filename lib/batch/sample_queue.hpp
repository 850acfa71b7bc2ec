// The queue of samples: job groups take the next one when they are free.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "comm/comm.hpp"

namespace causeway {

/// What a job group says when a sample has ended.
struct SampleResult {
  std::size_t number = 0;  ///< position in the list that the queue was made from
  bool done = false;
  ExitCode code = ExitCode::success;  ///< why not, where it is not done
  std::string problem;                ///< for a person; empty when done
  std::string notice;                 ///< worth a line for a person though all is well, or empty
  std::int64_t frames = 0;            ///< of the finished video
  double seconds = 0;                 ///< from taking the sample to its last file
  std::string details;                ///< JSON: timings and counts, see report.hpp
};

/// Hears what happens, on the queue's own thread.
class QueueObserver {
 public:
  virtual ~QueueObserver() = default;
  virtual void taken(std::size_t number, int group) = 0;
  /// `frames` more frames of a sample are decoded.
  virtual void progressed(std::int64_t frames) = 0;
  virtual void ended(const SampleResult& result) = 0;
};

/// Serves the samples of one run to all job groups from a thread of rank 0. Answers go out in the
/// order of `order`; nothing is collective, a group that is busy disturbs no other.
class QueueServer {
 public:
  /// `order` lists sample numbers, first served first. `groups` is the number of job groups that
  /// will ask; each asks until it is told that there is nothing left. `text_of` gives the message
  /// for a sample.
  QueueServer(Mailbox& mailbox, std::vector<std::size_t> order, int groups,
              std::function<std::string(std::size_t)> text_of, QueueObserver& observer);
  ~QueueServer();

  /// Waits until every group has heard that there is nothing left; rethrows what failed on the
  /// thread.
  void join();
  /// Samples that were never handed out (serving stopped early).
  std::size_t left() const { return waiting_.size(); }

 private:
  void serve();
  void answer(const Message& message);

  Mailbox& mailbox_;
  std::deque<std::size_t> waiting_;
  int groups_open_;
  std::function<std::string(std::size_t)> text_of_;
  QueueObserver& observer_;
  std::exception_ptr problem_;
  bool stopped_ = false;
  std::thread thread_;
};

/// The leader's end: rank 0 of a job group uses it.
class QueueClient {
 public:
  QueueClient(Mailbox& mailbox, int group) : mailbox_(mailbox), group_(group) {}
  /// The message of the next sample, or nothing when the run is over. `last` tells how the sample
  /// before ended (null the first time).
  std::optional<std::string> next(const SampleResult* last);
  /// Tells that `frames` more frames are decoded; no answer.
  void progressed(std::int64_t frames);

 private:
  Mailbox& mailbox_;
  int group_;
};

}  // namespace causeway
