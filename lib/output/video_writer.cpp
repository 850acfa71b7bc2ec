// VideoWriter by libavcodec and libavformat.
#include "output/video_writer.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "output/atomic_file.hpp"
#include "output/colour_conversion.hpp"
#include "output/libav_handles.hpp"
#include "output/video_codecs.hpp"

namespace causeway {
namespace {

using libav::check;

constexpr int largest_side = 16384;  // pixels; more than any of the codecs takes

// A muxer with its file; closing is quiet here, since `finish` has checked what matters by then.
struct CloseMuxer {
  void operator()(AVFormatContext* muxer) const {
    if (muxer->pb != nullptr) avio_closep(&muxer->pb);
    avformat_free_context(muxer);
  }
};
using Muxer = std::unique_ptr<AVFormatContext, CloseMuxer>;

// SVT-AV1 waits for ever on its threads when it is closed before its stream has ended, or when a
// stream ends without a frame. So an encoder is always brought to its end, also when the video is
// given up.
struct CloseEncoder {
  void operator()(AVCodecContext* codec) const {
    if (avcodec_is_open(codec) != 0) end(codec);
    avcodec_free_context(&codec);
  }

  static void end(AVCodecContext* codec) {
    const libav::Packet rest(av_packet_alloc());
    if (rest == nullptr) return;
    if (codec->opaque == nullptr) {  // no frame was sent
      const libav::Frame any =
          colour_conversion::allocate_picture(AV_PIX_FMT_YUV420P, codec->width, codec->height);
      any->pts = 0;
      avcodec_send_frame(codec, any.get());
    }
    if (avcodec_send_frame(codec, nullptr) < 0) return;  // it had come to its end before
    while (avcodec_receive_packet(codec, rest.get()) >= 0) av_packet_unref(rest.get());
  }
};
using EncoderHandle = std::unique_ptr<AVCodecContext, CloseEncoder>;

void check_settings(const VideoSettings& settings) {
  const auto [width, height] = std::pair(settings.width, settings.height);
  require(width > 0 && height > 0 && width <= largest_side && height <= largest_side,
          ExitCode::usage,
          "cannot encode frames of {} x {} pixels (each side must be 2 to {}); choose another size",
          width, height, largest_side);
  require(
      width % 2 == 0 && height % 2 == 0, ExitCode::usage,
      "cannot encode frames of {} x {} pixels (yuv420p halves both sides, so both must be even); "
      "try {} x {}",
      width, height, width + width % 2, height + height % 2);
  const auto [numerator, denominator] = settings.fps;
  require(numerator > 0 && denominator > 0 && numerator / denominator <= 1000 &&
              numerator <= 1'000'000 && denominator <= 1'000'000,
          ExitCode::usage, "cannot encode at {}/{} frames per second (out of range); try 16/1",
          numerator, denominator);
}

// Ours come last, so that they win.
std::string merged_parameters(const VideoSettings& settings, const VideoCodec& codec) {
  std::string merged;
  for (const auto& [key, value] : settings.options) {
    if (key == codec.parameters_option) merged += value + ":";
  }
  return merged.append(codec.fixed_parameters);
}

void check_option(const std::string& key, const VideoCodec& known, AVCodecContext* context) {
  require(key != "crf" && key != "preset", ExitCode::usage,
          "encoder option '{}' has a setting of its own; set that instead", key);
  require(
      key != "threads" && key != "flags", ExitCode::usage,
      "encoder option '{}' cannot be set (it would change the bytes from one machine to the next); "
      "leave it out",
      key);
  require(av_opt_find(context, key.c_str(), nullptr, 0, AV_OPT_SEARCH_CHILDREN) != nullptr,
          ExitCode::usage,
          "encoder option '{}' does not exist for {}; `ffmpeg -h encoder={}` lists what does", key,
          known.name, known.name);
}

void fill_options(const VideoSettings& settings, const VideoCodec& known, AVCodecContext* context,
                  libav::Dictionary& options) {
  const std::string preset(settings.preset.empty() ? known.default_preset : settings.preset);
  check_video_codec_settings(known, settings.crf, preset);
  options.set("preset", preset);
  options.set("crf", fmt::format("{}", settings.crf));
  for (const auto& [key, value] : settings.options) {
    check_option(key, known, context);
    if (key != known.parameters_option) options.set(key, value);
  }
  options.set(std::string(known.parameters_option), merged_parameters(settings, known));
}

EncoderHandle open_codec(const VideoSettings& settings, const VideoCodec& known,
                         bool global_header) {
  const AVCodec* codec = avcodec_find_encoder_by_name(std::string(known.name).c_str());
  EncoderHandle context = libav::made(EncoderHandle(avcodec_alloc_context3(codec)), "an encoder");
  context->width = settings.width;
  context->height = settings.height;
  context->sample_aspect_ratio = {1, 1};
  context->pix_fmt = AV_PIX_FMT_YUV420P;
  context->time_base = {settings.fps.denominator, settings.fps.numerator};
  context->framerate = {settings.fps.numerator, settings.fps.denominator};
  // A keyframe every second, so that readers of the data set can start anywhere.
  context->gop_size = std::max(
      1, static_cast<int>(std::lround(double(settings.fps.numerator) / settings.fps.denominator)));
  context->color_primaries = AVCOL_PRI_BT709;
  context->color_trc = AVCOL_TRC_BT709;
  context->colorspace = AVCOL_SPC_BT709;
  context->color_range = AVCOL_RANGE_MPEG;
  context->chroma_sample_location = AVCHROMA_LOC_LEFT;
  context->thread_count = 1;
  context->flags |= AV_CODEC_FLAG_BITEXACT;
  if (global_header) context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;

  libav::Dictionary options;
  fill_options(settings, known, context.get(), options);
  const libav::Blame blame{ExitCode::usage, fmt::format("cannot set up {}", known.name),
                           "check the encoder's options"};
  const libav::LogCapture log(AV_LOG_WARNING);
  check(avcodec_open2(context.get(), codec, options.address()), "opening the encoder", blame);
  // libav only warns when it cannot use an entry of the encoder's own parameters.
  for (const char* warning : {"rror parsing option", "nknown option", "nvalid value"}) {
    require(log.text().find(warning) == std::string::npos, ExitCode::usage, "{}: {}; correct {}",
            blame.what, log.text(), known.parameters_option);
  }
  expects(options.leftover() == nullptr, "the encoder takes every option that it was seen to have");
  return context;
}

}  // namespace

/// All that is alive while one video is made.
struct VideoWriter::Encoder {
  AtomicFile file;
  libav::Blame blame;
  Muxer muxer;
  EncoderHandle codec;
  AVStream* stream = nullptr;  // owned by the muxer
  libav::Frame picture;
  libav::Packet packet;
  std::int64_t frames = 0;
  bool finished = false;

  explicit Encoder(const VideoSettings& settings, const VideoCodec& known);
  void open_muxer(const VideoSettings& settings);
  void encode(const AVFrame* frame);
  void require_good_file() const;
  void finish();
};

VideoWriter::Encoder::Encoder(const VideoSettings& settings, const VideoCodec& known)
    : file(settings.path),
      blame{ExitCode::output, fmt::format("cannot write video '{}'", settings.path.string()),
            "check the space on the file system, then run the same command again"} {
  AVFormatContext* allocated = nullptr;
  check(avformat_alloc_output_context2(&allocated, nullptr, "mp4", nullptr), "setting up MP4",
        blame);
  muxer.reset(allocated);
  codec = open_codec(settings, known, (muxer->oformat->flags & AVFMT_GLOBALHEADER) != 0);
  picture =
      colour_conversion::allocate_picture(AV_PIX_FMT_YUV420P, settings.width, settings.height);
  picture->color_primaries = codec->color_primaries;
  picture->color_trc = codec->color_trc;
  picture->colorspace = codec->colorspace;
  picture->color_range = codec->color_range;
  picture->chroma_location = codec->chroma_sample_location;
  packet = libav::made(libav::Packet(av_packet_alloc()), "a packet");
  open_muxer(settings);
}

void VideoWriter::Encoder::open_muxer(const VideoSettings& settings) {
  stream = avformat_new_stream(muxer.get(), nullptr);
  require(stream != nullptr, ExitCode::output, "{}: out of memory; use fewer ranks on this node",
          blame.what);
  check(avcodec_parameters_from_context(stream->codecpar, codec.get()), "setting up MP4", blame);
  stream->time_base = codec->time_base;
  stream->avg_frame_rate = codec->framerate;
  muxer->flags |= AVFMT_FLAG_BITEXACT;  // no dates, no library versions
  if (!settings.title.empty()) av_dict_set(&muxer->metadata, "title", settings.title.c_str(), 0);
  if (!settings.comment.empty()) {
    av_dict_set(&muxer->metadata, "comment", settings.comment.c_str(), 0);
  }
  // The muxer opens the file a second time, by this name, to move the index to the front; the
  // prefix keeps a ':' in a path from being taken for a protocol.
  const std::string url = "file:" + file.temporary().string();
  muxer->url = av_strdup(url.c_str());
  check(avio_open(&muxer->pb, url.c_str(), AVIO_FLAG_WRITE), "opening the file", blame);
  libav::Dictionary options;
  options.set("movflags", "+faststart");
  check(avformat_write_header(muxer.get(), options.address()), "writing the header", blame);
  require_good_file();
}

// libav keeps the first write error to itself; asking brings it out while its errno is known.
void VideoWriter::Encoder::require_good_file() const {
  const int error = muxer->pb->error;
  if (error < 0) fail_output("write video", file.path(), AVUNERROR(error));
}

void VideoWriter::Encoder::encode(const AVFrame* frame) {
  check(avcodec_send_frame(codec.get(), frame), "encoding a frame", blame);
  codec->opaque = this;  // see CloseEncoder
  while (true) {
    const int received = avcodec_receive_packet(codec.get(), packet.get());
    if (received == AVERROR(EAGAIN) || received == AVERROR_EOF) return;
    check(received, "encoding a frame", blame);
    packet->stream_index = stream->index;
    packet->duration = 1;  // in the codec's time base: one frame
    // x265 takes an uninitialised number off the decoding times of a stream that ends before its
    // delay is known, with the third frame (its issue 781). So short a stream has no B frames: it
    // is decoded in the order in which it is shown.
    if (frame == nullptr && frames <= 2) packet->dts = packet->pts;
    av_packet_rescale_ts(packet.get(), codec->time_base, stream->time_base);
    const int written = av_write_frame(muxer.get(), packet.get());
    av_packet_unref(packet.get());
    require_good_file();
    check(written, "writing a frame", blame);
  }
}

void VideoWriter::Encoder::finish() {
  if (finished) return;
  require(frames > 0, ExitCode::output, "{}: no frame was written; this sample has nothing to show",
          blame.what);
  encode(nullptr);
  const int trailer = av_write_trailer(muxer.get());
  require_good_file();
  check(trailer, "writing the index", blame);
  const int closed = avio_closep(&muxer->pb);
  if (closed < 0) fail_output("write video", file.path(), AVUNERROR(closed));
  file.sync();
  finished = true;
}

VideoWriter::VideoWriter(const VideoSettings& settings) {
  const libav::LogCapture log;
  check_settings(settings);
  encoder_ = std::make_unique<Encoder>(settings, find_video_codec(settings.codec));
}

VideoWriter::VideoWriter(VideoWriter&&) noexcept = default;
VideoWriter& VideoWriter::operator=(VideoWriter&&) noexcept = default;
VideoWriter::~VideoWriter() {
  const libav::LogCapture log;  // encoders report what was thrown away; nobody wants to know
  encoder_.reset();
}

void VideoWriter::write(const std::uint8_t* yuv420p) {
  expects(encoder_ != nullptr && !encoder_->finished,
          "frames are written before the video is finished");
  const libav::LogCapture log;
  Encoder& video = *encoder_;
  AVFrame& picture = *video.picture;
  // The encoder may still look at the last one.
  check(av_frame_make_writable(&picture), "preparing a frame", video.blame);
  const std::uint8_t* plane = yuv420p;
  for (const int part : {0, 1, 2}) {
    const int width = part == 0 ? picture.width : picture.width / 2;
    const int height = part == 0 ? picture.height : picture.height / 2;
    av_image_copy_plane(picture.data[part], picture.linesize[part], plane, width, width, height);
    plane += std::ptrdiff_t{width} * height;
  }
  picture.pts = video.frames;
  video.encode(&picture);
  ++video.frames;
}

void VideoWriter::finish() {
  expects(encoder_ != nullptr, "a video that was published or moved away is not finished again");
  const libav::LogCapture log;
  encoder_->finish();
}

void VideoWriter::publish() {
  finish();
  encoder_->file.publish();
  encoder_.reset();
}

std::int64_t VideoWriter::frames() const { return encoder_ == nullptr ? 0 : encoder_->frames; }

}  // namespace causeway
