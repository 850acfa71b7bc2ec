// The video encoders that Causeway knows how to drive, and what this libav and HDF5 offer.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace causeway {

/// What a user may ask of one encoder, and how it is made to give the same bytes everywhere.
struct VideoCodec {
  std::string_view name;                      ///< as libavcodec calls it: "libx264"
  std::string_view format;                    ///< "H.264"
  double crf_low, crf_high;                   ///< constant quality, lower is better
  bool whole_crf;                             ///< the encoder takes whole numbers only
  std::span<const std::string_view> presets;  ///< from fast to slow
  std::string_view default_preset;
  std::string_view parameters_option;  ///< "x264-params": the encoder's own options
  std::string_view fixed_parameters;   ///< set by us there; these make the bytes repeatable
};

/// The encoder of that name. Throws `Error(usage)` with the list of those at hand when it is
/// unknown to Causeway or not built into this libav.
const VideoCodec& find_video_codec(std::string_view name);

/// Throws `Error(usage)` when the quality or the preset is not one of the codec's.
void check_video_codec_settings(const VideoCodec& codec, double crf, std::string_view preset);

/// Names of the known encoders that this libav has, e.g. "libx264, libx265"; "none" without any.
std::string available_video_codecs();

/// For `causeway --version`: the versions found at run time and the encoders, a line each.
std::string output_capabilities();

}  // namespace causeway
