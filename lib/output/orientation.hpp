// The way up that a video's display matrix or a photo's EXIF tag asks for.
// For the sources of lib/output only, like libav_handles.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "output/libav_handles.hpp"

namespace causeway {

/// First the rows and columns are swapped (where asked for), then the results are flipped.
struct Orientation {
  bool transpose = false, flip_columns = false, flip_rows = false;
};

/// What the file asks for, as far as it is made of quarter turns and mirrors.
Orientation orientation_of(const AVStream& stream, const AVFrame& picture);

/// Copies [height, width, 3] with rows `stride` bytes apart to the contiguous oriented picture.
void orient_picture(const std::uint8_t* from, std::size_t stride, int height, int width,
                    const Orientation& orientation, std::uint8_t* to);

}  // namespace causeway
