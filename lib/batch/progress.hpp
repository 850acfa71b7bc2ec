// What a person sees while a run goes on: a live line on a terminal, plain lines in a log.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace causeway {

/// "1 h 02 min", "3 min 20 s", "7.5 s".
std::string readable_seconds(double seconds);
/// "5.68 GB" (1 GB = 1e9 bytes).
std::string readable_bytes(double bytes);

/// Prints to standard error. On a terminal one line is rewritten in place, at most ten times a
/// second; elsewhere a plain line appears at every finished sample.
class Progress {
 public:
  /// `expected_frames` are the frames of all samples of this run that are not done yet.
  Progress(std::size_t samples, std::size_t already_done, std::int64_t expected_frames,
           std::FILE* stream);
  void frames_decoded(std::int64_t frames);
  void sample_ended(bool done);
  /// A line of its own, e.g. about a sample that failed; the live line is drawn again below it.
  void say(const std::string& line);
  /// Ends the live line.
  void finish();
  /// "12/50 samples, 33.1 frames/s, 3 min 20 s left".
  std::string text() const;

 private:
  void draw(bool now);
  double elapsed() const;

  std::size_t samples_, ended_ = 0, already_done_, failed_ = 0;
  std::int64_t expected_frames_, frames_ = 0;
  std::FILE* stream_;
  bool terminal_;
  bool line_open_ = false;
  std::chrono::steady_clock::time_point start_, last_draw_;
};

}  // namespace causeway
