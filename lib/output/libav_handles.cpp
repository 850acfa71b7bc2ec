// The log sink and the error text of libav_handles.hpp.
#include "output/libav_handles.hpp"

#include <array>
#include <cstdarg>
#include <cstdio>
#include <mutex>

namespace causeway::libav {
namespace {

thread_local LogCapture* innermost = nullptr;
constexpr std::size_t longest_text = 2000;  // of a message; broken files can log for ever

void sink(void* object, int level, const char* format, va_list arguments) {
  if (innermost == nullptr || level > innermost->level()) return;
  std::array<char, 1024> line{};
  int print_prefix = 1;
  av_log_format_line2(object, level, format, arguments, line.data(), line.size(), &print_prefix);
  innermost->add(line.data());
}

}  // namespace

LogCapture::LogCapture(int level) : level_(level), outer_(innermost) {
  static std::once_flag once;
  std::call_once(once, [] { av_log_set_callback(sink); });
  innermost = this;
}

LogCapture::~LogCapture() { innermost = outer_; }

void LogCapture::add(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
  if (line.empty() || text_.size() + line.size() > longest_text) return;
  if (line.starts_with('[')) {  // "[libx264 @ 0x55..] ": the address tells a reader nothing
    if (const auto end = line.find("] "); end != std::string_view::npos)
      line.remove_prefix(end + 2);
  }
  if (!text_.empty()) text_ += "; ";
  text_ += line;
}

std::string error_text(int code) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(code, text.data(), text.size());
  std::string message = text.data();
  if (innermost != nullptr && !innermost->text().empty()) message += ": " + innermost->text();
  return message;
}

}  // namespace causeway::libav
