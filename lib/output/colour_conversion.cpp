// The choice of flags, matrices and chroma sites for libswscale.
#include "output/colour_conversion.hpp"

namespace causeway::colour_conversion {
namespace {

using libav::Blame;
using libav::Scaler;

// Bit-exact and accurate: the same on every CPU. Full chroma: filtered, not dropped.
constexpr int flags =
    SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_BITEXACT;

struct Side {
  AVPixelFormat format;
  bool full_range;
  int chroma_x, chroma_y;  // in 1/256 of a luma sample; -513 where chroma is not subsampled
};

constexpr int not_subsampled = -513;

Scaler to_rgb(int width, int height, const Side& from, int matrix, const Blame& blame) {
  Scaler scaler = libav::made(Scaler(sws_alloc_context()), "a colour converter");
  const auto set = [&](const char* option, int value) {
    libav::check(av_opt_set_int(scaler.get(), option, value, 0), option, blame);
  };
  set("sws_flags", flags);
  set("srcw", width);
  set("srch", height);
  set("dstw", width);
  set("dsth", height);
  set("src_format", from.format);
  set("dst_format", AV_PIX_FMT_RGB24);
  set("src_range", from.full_range);
  set("dst_range", 1);
  set("src_h_chr_pos", from.chroma_x);
  set("src_v_chr_pos", from.chroma_y);
  set("dst_h_chr_pos", not_subsampled);
  set("dst_v_chr_pos", not_subsampled);
  const int* coefficients = sws_getCoefficients(matrix);
  const int unity = 1 << 16;
  libav::check(sws_init_context(scaler.get(), nullptr, nullptr), "preparing the colour conversion",
               blame);
  // The result is not checked: -1 says that a gray picture has no matrix to set.
  sws_setColorspaceDetails(scaler.get(), coefficients, from.full_range, coefficients, 1, 0, unity,
                           unity);
  return scaler;
}

// The old formats that carry full range in their name.
AVPixelFormat without_range(AVPixelFormat format) {
  switch (format) {
    case AV_PIX_FMT_YUVJ420P:
      return AV_PIX_FMT_YUV420P;
    case AV_PIX_FMT_YUVJ422P:
      return AV_PIX_FMT_YUV422P;
    case AV_PIX_FMT_YUVJ444P:
      return AV_PIX_FMT_YUV444P;
    case AV_PIX_FMT_YUVJ440P:
      return AV_PIX_FMT_YUV440P;
    case AV_PIX_FMT_YUVJ411P:
      return AV_PIX_FMT_YUV411P;
    default:
      return format;
  }
}

int matrix_of(AVColorSpace space) {
  switch (space) {
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:
      return SWS_CS_ITU601;
    case AVCOL_SPC_FCC:
      return SWS_CS_FCC;
    case AVCOL_SPC_SMPTE240M:
      return SWS_CS_SMPTE240M;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
      return SWS_CS_BT2020;
    default:
      return SWS_CS_ITU709;
  }
}

}  // namespace

Scaler picture_to_rgb(const AVFrame& picture, const Blame& blame) {
  const auto named = static_cast<AVPixelFormat>(picture.format);
  const AVPixelFormat format = without_range(named);
  const AVPixFmtDescriptor* description = av_pix_fmt_desc_get(format);
  require(description != nullptr && sws_isSupportedInput(format) != 0, blame.code,
          "{}: its pixel format {} has no conversion to RGB; {}", blame.what,
          description == nullptr ? "(unknown)" : description->name, blame.advice);
  const bool is_rgb = (description->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL)) != 0;
  const bool is_gray = !is_rgb && description->nb_components <= 2;
  const bool full = is_rgb || format != named || picture.color_range == AVCOL_RANGE_JPEG ||
                    (is_gray && picture.color_range != AVCOL_RANGE_MPEG);
  const auto site = picture.chroma_location;
  const bool centred = site == AVCHROMA_LOC_CENTER || site == AVCHROMA_LOC_TOP;
  const bool top = site == AVCHROMA_LOC_TOPLEFT || site == AVCHROMA_LOC_TOP;
  const bool subsampled_x = !is_rgb && description->log2_chroma_w > 0;
  const bool subsampled_y = !is_rgb && description->log2_chroma_h > 0;
  const Side from{format, full, subsampled_x ? (centred ? 128 : 0) : not_subsampled,
                  subsampled_y ? (top ? 0 : 128) : not_subsampled};
  return to_rgb(picture.width, picture.height, from, matrix_of(picture.colorspace), blame);
}

libav::Frame allocate_picture(AVPixelFormat format, int width, int height) {
  libav::Frame picture = libav::made(libav::Frame(av_frame_alloc()), "a picture");
  picture->format = format;
  picture->width = width;
  picture->height = height;
  const int result = av_frame_get_buffer(picture.get(), 64);
  require(result >= 0, ExitCode::output,
          "cannot allocate a picture of {} x {} (out of memory); use "
          "fewer ranks on this node",
          width, height);
  return picture;
}

}  // namespace causeway::colour_conversion
