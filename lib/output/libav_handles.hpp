// libav's C API made safe: handles that free themselves, one check for every return code, and its
// log gathered into our messages. For the sources of lib/output only, like hdf5_handles.hpp.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <memory>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace causeway::libav {

/// While one lives, libav prints nothing; what it logs on this thread, down to `level`, is gathered
/// by the innermost one.
class LogCapture {
 public:
  explicit LogCapture(int level = AV_LOG_ERROR);
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  int level() const { return level_; }
  void add(std::string_view line);
  const std::string& text() const { return text_; }

 private:
  int level_;
  std::string text_;
  LogCapture* outer_;
};

/// What this thread's captures hold about a failure: libav's text for `code`, then what it logged.
std::string error_text(int code);

/// Whose fault a failure is, as in hdf5_handles.hpp.
struct Blame {
  ExitCode code;
  std::string what;
  const char* advice;
};

/// Throws for the negative results by which libav reports every failure, else passes the result on.
inline int check(int result, std::string_view step, const Blame& blame) {
  if (result < 0) {
    fail(blame.code, "{}: {} failed ({}); {}", blame.what, step, error_text(result), blame.advice);
  }
  return result;
}

struct Free {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
  void operator()(AVCodecContext* codec) const { avcodec_free_context(&codec); }
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
using Frame = std::unique_ptr<AVFrame, Free>;
using Packet = std::unique_ptr<AVPacket, Free>;
using Codec = std::unique_ptr<AVCodecContext, Free>;
using Scaler = std::unique_ptr<SwsContext, Free>;

/// The handle, or `Error(output)` when libav returned nothing, which it does for want of memory.
template <class Pointer>
Pointer made(Pointer pointer, std::string_view what) {
  require(static_cast<bool>(pointer), ExitCode::output,
          "cannot allocate {} (out of memory); use fewer ranks on this node", what);
  return pointer;
}

/// Options for libav, freed with their owner.
class Dictionary {
 public:
  Dictionary() = default;
  Dictionary(const Dictionary&) = delete;
  Dictionary& operator=(const Dictionary&) = delete;
  ~Dictionary() { av_dict_free(&entries_); }
  void set(const std::string& key, const std::string& value) {
    av_dict_set(&entries_, key.c_str(), value.c_str(), 0);
  }
  AVDictionary** address() { return &entries_; }
  /// Name of an entry that nobody took, or nullptr.
  const char* leftover() const {
    const AVDictionaryEntry* entry = av_dict_get(entries_, "", nullptr, AV_DICT_IGNORE_SUFFIX);
    return entry == nullptr ? nullptr : entry->key;
  }

 private:
  AVDictionary* entries_ = nullptr;
};

}  // namespace causeway::libav
