// The live line.
#include "batch/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace causeway {

std::string readable_seconds(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string readable_bytes(double bytes) {
  for (const char* unit : {"B", "kB", "MB", "GB"}) {
    if (bytes < 1000) return fmt::format("{:.3g} {}", bytes, unit);
    bytes /= 1000;
  }
  return fmt::format("{:.2f} TB", bytes);
}

/// A launcher hides the terminal behind a pipe; CAUSEWAY_PROGRESS=live or plain then says what is
/// wanted.
static bool wants_live_line(std::FILE* stream) {
  const char* wish = std::getenv("CAUSEWAY_PROGRESS");
  if (wish != nullptr && std::string(wish) == "live") return true;
  if (wish != nullptr && std::string(wish) == "plain") return false;
  return isatty(fileno(stream)) != 0;
}

Progress::Progress(std::size_t samples, std::size_t already_done, std::int64_t expected_frames,
                   std::FILE* stream)
    : samples_(samples),
      already_done_(already_done),
      expected_frames_(expected_frames),
      stream_(stream),
      terminal_(wants_live_line(stream)),
      start_(std::chrono::steady_clock::now()),
      last_draw_(start_) {}

double Progress::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Progress::frames_decoded(std::int64_t frames) {
  frames_ += frames;
  if (terminal_) draw(false);
}

void Progress::sample_ended(bool done) {
  ++ended_;
  if (!done) ++failed_;
  draw(true);
}

std::string Progress::text() const {
  const double rate = static_cast<double>(frames_) / std::max(elapsed(), 1e-9);
  std::string line = fmt::format("{}/{} samples", already_done_ + ended_ - failed_, samples_);
  if (failed_ > 0) line += fmt::format(", {} failed", failed_);
  line += fmt::format(", {:.3g} frames/s", rate);
  const std::int64_t left = expected_frames_ - frames_;
  if (frames_ > 0 && left > 0) {
    line += fmt::format(", {} left", readable_seconds(static_cast<double>(left) / rate));
  }
  return line;
}

void Progress::draw(bool now) {
  const auto time = std::chrono::steady_clock::now();
  if (!now && time - last_draw_ < std::chrono::milliseconds(100)) return;
  last_draw_ = time;
  if (terminal_) {
    fmt::print(stream_, "\r\033[K{}", text());
    line_open_ = true;
  } else {
    fmt::print(stream_, "causeway: {}\n", text());
  }
  std::fflush(stream_);
}

void Progress::say(const std::string& line) {
  if (line_open_) fmt::print(stream_, "\r\033[K");
  line_open_ = false;
  fmt::print(stream_, "causeway: {}\n", line);
  std::fflush(stream_);
}

void Progress::finish() {
  if (line_open_) fmt::print(stream_, "\n");
  line_open_ = false;
  std::fflush(stream_);
}

}  // namespace causeway
