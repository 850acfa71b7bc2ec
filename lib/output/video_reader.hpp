// Frames of a video or picture file that a user hands us, as plain RGB.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "output/video_writer.hpp"

namespace causeway {

/// Pictures of one size, one after another.
struct VideoFrames {
  std::int64_t count = 0;
  int height = 0, width = 0;  ///< pixels
  FrameRate fps{0, 1};        ///< average; {0, 1} for a still picture or where the file has none
  std::vector<std::uint8_t> rgb;  ///< [count, height, width, 3]
};

/// The first `max_frames` frames (all that there are, where there are fewer) of the first video
/// stream of an MP4, PNG, JPEG or whatever else this libav reads; never opens anything but `path`
/// itself. Colours are converted by the file's own tags, BT.709 limited where it has none;
/// transparency is dropped; pictures come out the way up that the file asks for. Throws
/// `Error(input)` for a missing, damaged or cut-off file, one without pictures, sides beyond 16384
/// pixels, frames of changing size, and more than 8 GiB of frames.
VideoFrames read_frames(const std::filesystem::path& path, std::int64_t max_frames);

/// The same frames at another size, both sides positive: bilinear, and a triangle filter as wide as
/// the shrinkage where a side shrinks (no aliasing); rounded to nearest.
VideoFrames resize_frames(const VideoFrames& frames, int height, int width);

}  // namespace causeway
