// Conversions of pictures to RGB by libswscale that come out alike on every CPU.
// For the sources of lib/output only, like libav_handles.hpp.
#pragma once

#include "output/libav_handles.hpp"

namespace causeway::colour_conversion {

/// Any picture of libav's to RGB24 of the same size. Its own tags decide about matrix, range and
/// chroma site; where there is no tag: BT.709, limited range, left. Throws by `blame`.
libav::Scaler picture_to_rgb(const AVFrame& picture, const libav::Blame& blame);

/// A picture that libav owns, with room for vector loads past its rows; `format` as AVPixelFormat.
libav::Frame allocate_picture(AVPixelFormat format, int width, int height);

}  // namespace causeway::colour_conversion
