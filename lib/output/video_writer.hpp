// Frames in, one MP4 out: the same bytes for the same frames on every machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace causeway {

/// Frames per second as a fraction: {16, 1}, {30000, 1001}.
struct FrameRate {
  int numerator = 16;
  int denominator = 1;
};

/// How one video is encoded. Pictures are 8-bit yuv420p, BT.709, limited range, chroma sited left.
struct VideoSettings {
  std::filesystem::path path;  ///< final name; MP4 whatever its extension
  int width = 0, height = 0;   ///< pixels, both even
  FrameRate fps;
  std::string codec = "libx264";  ///< see video_codecs.hpp
  double crf = 18;                ///< constant quality; its range depends on the codec
  std::string preset;             ///< empty: the codec's usual one
  /// Further options of the encoder as libavcodec names them, e.g. {"tune", "film"} or
  /// {"x264-params", "aq-mode=3"}; where they contradict what makes the bytes repeatable, that
  /// wins.
  std::vector<std::pair<std::string, std::string>> options;
  std::string title, comment;  ///< UTF-8 metadata of the file; empty: left out
};

/// Encodes on the calling thread alone, so that several videos can be made side by side. The file
/// stays under a temporary name until `publish()` (see AtomicFile); without it the destructor
/// removes it.
class VideoWriter {
 public:
  /// Throws `Error(usage)` for settings that cannot work, `Error(output)` for a file that cannot.
  explicit VideoWriter(const VideoSettings& settings);
  VideoWriter(VideoWriter&&) noexcept;
  VideoWriter& operator=(VideoWriter&&) noexcept;
  ~VideoWriter();

  /// Appends a frame: its planes one after another, Y [height, width], U and V [height/2, width/2].
  /// Throws `Error(output)`.
  void write(const std::uint8_t* yuv420p);
  /// Completes the file and waits until it is on disk, under its temporary name. At least one frame
  /// must have been written. Throws `Error(output)`.
  void finish();
  /// Gives the file its final name; finishes it first where that has not been done.
  void publish();

  /// Frames written so far.
  std::int64_t frames() const;

 private:
  struct Encoder;
  std::unique_ptr<Encoder> encoder_;
};

}  // namespace causeway
