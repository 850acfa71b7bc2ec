// read_frames by libavformat and libavcodec; whatever they open is not trusted.
#include "output/video_reader.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <string>

#include "output/colour_conversion.hpp"
#include "output/libav_handles.hpp"
#include "output/orientation.hpp"

namespace causeway {
namespace {

using libav::Blame;
using libav::check;

constexpr int largest_side = 16384;                          // pixels
constexpr std::size_t largest_total = std::size_t{8} << 30;  // bytes of frames

// Playlists and the like may name other files and addresses; nothing but the file itself is opened.
int refuse_to_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
  return AVERROR(EPERM);
}

/// The file, its demuxer and its decoder.
class Source {
 public:
  Source(const std::filesystem::path& path, const Blame& blame);
  ~Source() {
    avformat_close_input(&demuxer_);
    avio_closep(&file_);
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// Decodes the next frame into `frame`; false at the end.
  bool next(AVFrame* frame);
  AVStream* stream() const { return stream_; }
  bool is_still() const {
    return std::string_view(demuxer_->iformat->name).ends_with("_pipe");  // libav's picture formats
  }

 private:
  void open(const std::filesystem::path& path);
  void open_decoder();
  bool feed();

  Blame blame_;
  AVIOContext* file_ = nullptr;
  AVFormatContext* demuxer_ = nullptr;
  AVStream* stream_ = nullptr;
  libav::Codec decoder_;
  libav::Packet packet_;
  std::int64_t packets_ = 0;
};

Source::Source(const std::filesystem::path& path, const Blame& blame) : blame_(blame) {
  try {
    open(path);
    open_decoder();
  } catch (...) {
    avformat_close_input(&demuxer_);
    avio_closep(&file_);
    throw;
  }
}

void Source::open(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  require(std::filesystem::exists(status), blame_.code, "{}: there is no such file; check the path",
          blame_.what);
  require(std::filesystem::is_regular_file(status), blame_.code,
          "{}: it is not a regular file; name a video or picture file", blame_.what);
  check(avio_open(&file_, ("file:" + path.string()).c_str(), AVIO_FLAG_READ), "opening", blame_);
  demuxer_ = avformat_alloc_context();
  require(demuxer_ != nullptr, blame_.code, "{}: out of memory", blame_.what);
  demuxer_->pb = file_;
  demuxer_->io_open = refuse_to_open;
  // No name is handed on: the content alone decides the format, and '%' in a name means nothing.
  check(avformat_open_input(&demuxer_, nullptr, nullptr, nullptr), "recognising the format",
        blame_);
  check(avformat_find_stream_info(demuxer_, nullptr), "looking for streams", blame_);
}

void Source::open_decoder() {
  const AVCodec* codec = nullptr;
  const int index = av_find_best_stream(demuxer_, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
  require(index != AVERROR_STREAM_NOT_FOUND, blame_.code,
          "{}: it has no pictures ({} streams, none of video); {}", blame_.what,
          demuxer_->nb_streams, blame_.advice);
  require(index != AVERROR_DECODER_NOT_FOUND, blame_.code,
          "{}: this libavcodec has no decoder for its video; convert it to H.264 in MP4",
          blame_.what);
  stream_ = demuxer_->streams[check(index, "looking for the video stream", blame_)];
  const AVCodecParameters& parameters = *stream_->codecpar;
  require(parameters.width <= largest_side && parameters.height <= largest_side, blame_.code,
          "{}: its frames are {} x {} pixels (more than {} a side); scale it down first",
          blame_.what, parameters.width, parameters.height, largest_side);
  decoder_ = libav::made(libav::Codec(avcodec_alloc_context3(codec)), "a decoder");
  check(avcodec_parameters_to_context(decoder_.get(), &parameters), "setting up the decoder",
        blame_);
  decoder_->thread_count = 1;  // its log then comes on this thread
  decoder_->max_pixels = std::int64_t{largest_side} * largest_side;
  decoder_->err_recognition = AV_EF_EXPLODE | AV_EF_CRCCHECK;  // no concealing of damage
  check(avcodec_open2(decoder_.get(), codec, nullptr), "opening the decoder", blame_);
  packet_ = libav::made(libav::Packet(av_packet_alloc()), "a packet");
}

// Sends the decoder one packet, or the end; false when the end was sent before.
bool Source::feed() {
  while (true) {
    const int result = av_read_frame(demuxer_, packet_.get());
    if (result == AVERROR_EOF) {
      // An index at the front promises packets that a cut-off file no longer has.
      const int promised = avformat_index_get_entries_count(stream_);
      require(packets_ >= promised, blame_.code, "{}: it ends after {} of {} frames; {}",
              blame_.what, packets_, promised, blame_.advice);
      const int sent = avcodec_send_packet(decoder_.get(), nullptr);
      return sent != AVERROR_EOF && check(sent, "decoding", blame_) >= 0;
    }
    check(result, "reading", blame_);
    const bool wanted = packet_->stream_index == stream_->index;
    const bool corrupt = wanted && (packet_->flags & AV_PKT_FLAG_CORRUPT) != 0;
    require(!corrupt, blame_.code, "{}: frame {} is damaged or cut off; {}", blame_.what, packets_,
            blame_.advice);
    const int sent = wanted ? avcodec_send_packet(decoder_.get(), packet_.get()) : 0;
    av_packet_unref(packet_.get());
    if (!wanted) continue;
    ++packets_;
    check(sent, "decoding", blame_);
    return true;
  }
}

bool Source::next(AVFrame* frame) {
  while (true) {
    const int received = avcodec_receive_frame(decoder_.get(), frame);
    if (received == AVERROR_EOF) return false;
    if (received != AVERROR(EAGAIN)) {
      check(received, "decoding", blame_);
      return true;
    }
    if (!feed()) return false;
  }
}

FrameRate frame_rate(const Source& source) {
  if (source.is_still()) return {0, 1};
  const AVStream& stream = *source.stream();
  const AVRational rate =
      stream.avg_frame_rate.num > 0 ? stream.avg_frame_rate : stream.r_frame_rate;
  if (rate.num <= 0 || rate.den <= 0) return {0, 1};
  return {rate.num, rate.den};
}

// Appends the picture, converted to RGB and turned the way up that the file asks for.
class Collector {
 public:
  Collector(VideoFrames& frames, const Blame& blame) : frames_(frames), blame_(blame) {}

  void add(const AVFrame& picture, const Orientation& orientation) {
    if (frames_.count == 0) start(picture, orientation);
    require(picture.width == width_ && picture.height == height_ && picture.format == format_,
            blame_.code, "{}: frame {} has another size or format ({} x {} after {} x {}); {}",
            blame_.what, frames_.count, picture.width, picture.height, width_, height_,
            blame_.advice);
    check(sws_scale(converter_.get(), picture.data, picture.linesize, 0, height_, rgb_->data,
                    rgb_->linesize),
          "converting to RGB", blame_);
    const std::size_t frame_bytes = std::size_t(width_) * std::size_t(height_) * 3;
    const std::size_t start = frames_.rgb.size();
    require(start + frame_bytes <= largest_total, blame_.code,
            "{}: its frames need more than {} GiB; take fewer or scale it down first", blame_.what,
            largest_total >> 30);
    frames_.rgb.resize(start + frame_bytes);
    orient_picture(rgb_->data[0], std::size_t(rgb_->linesize[0]), height_, width_, orientation,
                   frames_.rgb.data() + start);
    ++frames_.count;
  }

 private:
  void start(const AVFrame& picture, const Orientation& orientation) {
    require(picture.width <= largest_side && picture.height <= largest_side, blame_.code,
            "{}: its frames are {} x {} pixels (more than {} a side); scale it down first",
            blame_.what, picture.width, picture.height, largest_side);
    width_ = picture.width;
    height_ = picture.height;
    format_ = picture.format;
    frames_.width = orientation.transpose ? height_ : width_;
    frames_.height = orientation.transpose ? width_ : height_;
    converter_ = colour_conversion::picture_to_rgb(picture, blame_);
    rgb_ = colour_conversion::allocate_picture(AV_PIX_FMT_RGB24, width_, height_);
  }

  VideoFrames& frames_;
  const Blame& blame_;
  libav::Scaler converter_;
  libav::Frame rgb_;
  int width_ = 0, height_ = 0, format_ = -1;
};

}  // namespace

VideoFrames read_frames(const std::filesystem::path& path, std::int64_t max_frames) {
  expects(max_frames > 0, "at least one frame is asked for");
  const libav::LogCapture log;
  const Blame blame{ExitCode::input, fmt::format("cannot read frames from '{}'", path.string()),
                    "use a whole video (MP4) or picture (PNG, JPEG) file"};
  VideoFrames frames;
  try {
    Source source(path, blame);
    frames.fps = frame_rate(source);
    Collector collector(frames, blame);
    const libav::Frame picture = libav::made(libav::Frame(av_frame_alloc()), "a picture");
    while (frames.count < max_frames && source.next(picture.get())) {
      collector.add(*picture, orientation_of(*source.stream(), *picture));
      av_frame_unref(picture.get());
    }
  } catch (const std::bad_alloc&) {
    fail(ExitCode::input, "{}: its frames do not fit in memory; take fewer or scale it down first",
         blame.what);
  }
  require(frames.count > 0, ExitCode::input, "{}: it has no frames; {}", blame.what, blame.advice);
  return frames;
}

}  // namespace causeway
