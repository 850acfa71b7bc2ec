// The table of encoders, its checks, and the description of the libraries at hand.
#include "output/video_codecs.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "output/hdf5_handles.hpp"
#include "output/libav_handles.hpp"

namespace causeway {
namespace {

constexpr std::array<std::string_view, 10> x26x_presets{
    "ultrafast", "superfast", "veryfast", "faster",   "fast",
    "medium",    "slow",      "slower",   "veryslow", "placebo"};
constexpr std::array<std::string_view, 14> svt_presets{"13", "12", "11", "10", "9", "8", "7",
                                                       "6",  "5",  "4",  "3",  "2", "1", "0"};

// x264's pictures depend on the thread count and, without cpu-independent, on the kind of CPU; the
// others promise not to, but their threads would still compete with the ranks'.
constexpr std::array<VideoCodec, 3> known{{
    {"libx264", "H.264", 0, 51, false, x26x_presets, "medium", "x264-params",
     "threads=1:cpu-independent=1"},
    {"libx265", "H.265", 0, 51, false, x26x_presets, "medium", "x265-params",
     "pools=none:frame-threads=1:log-level=error"},
    {"libsvtav1", "AV1", 1, 63, true, svt_presets, "8", "svtav1-params", "lp=1:pin=0"},
}};

// SVT-AV1 prints fourteen lines a video unless this is set. Done before main, since it is not safe
// once there are threads; what the user has set stays.
[[maybe_unused]] const bool svt_is_quiet = ::setenv("SVT_LOG", "1", 0) == 0;

bool is_built_in(const VideoCodec& codec) {
  return avcodec_find_encoder_by_name(std::string(codec.name).c_str()) != nullptr;
}

std::string joined(std::span<const std::string_view> words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

std::string version_text(unsigned version) {
  return fmt::format("{}.{}.{}", version >> 16, (version >> 8) & 255, version & 255);
}

}  // namespace

const VideoCodec& find_video_codec(std::string_view name) {
  const auto found = std::find_if(known.begin(), known.end(),
                                  [&](const VideoCodec& codec) { return codec.name == name; });
  require(found != known.end(), ExitCode::usage,
          "video codec '{}' is not one that Causeway drives; choose one of: {}", name,
          available_video_codecs());
  require(is_built_in(*found), ExitCode::usage,
          "video codec '{}' is not built into this libavcodec ({}); choose one of: {}", name,
          version_text(avcodec_version()), available_video_codecs());
  return *found;
}

void check_video_codec_settings(const VideoCodec& codec, double crf, std::string_view preset) {
  require(crf >= codec.crf_low && crf <= codec.crf_high, ExitCode::usage,
          "crf {} does not exist for {} (it takes {} to {}, lower is better); choose one of these",
          crf, codec.name, codec.crf_low, codec.crf_high);
  require(!codec.whole_crf || crf == std::floor(crf), ExitCode::usage,
          "crf {} does not exist for {} (it takes whole numbers); try {}", crf, codec.name,
          std::floor(crf));
  const bool is_preset =
      std::find(codec.presets.begin(), codec.presets.end(), preset) != codec.presets.end();
  require(is_preset, ExitCode::usage,
          "preset '{}' does not exist for {}; choose one of, from fast to slow: {}", preset,
          codec.name, joined(codec.presets));
}

std::string available_video_codecs() {
  std::vector<std::string_view> names;
  for (const VideoCodec& codec : known) {
    if (is_built_in(codec)) names.push_back(codec.name);
  }
  return names.empty() ? "none" : joined(names);
}

std::string output_capabilities() {
  unsigned major = 0, minor = 0, release = 0;
  {
    const hdf5::Session session;
    H5get_libversion(&major, &minor, &release);
  }
  return fmt::format(
      "HDF5 {}.{}.{}, libavformat {}, libavcodec {}, libswscale {} ({})\nvideo encoders: {}\n",
      major, minor, release, version_text(avformat_version()), version_text(avcodec_version()),
      version_text(swscale_version()), avcodec_license(), available_video_codecs());
}

}  // namespace causeway
