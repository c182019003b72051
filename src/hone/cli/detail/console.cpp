#include "hone/cli/detail/console.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sys/ioctl.h>
#include <unistd.h>

#include "hone/core/error.hpp"
#include "hone/report/numbers.hpp"
#include "hone/run/clock.hpp"

namespace hone {
namespace {

// What the locale says about characters beyond ASCII.
TextStyle locale_style() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string text = value;
    const bool utf8 =
        text.find("UTF-8") != std::string::npos || text.find("utf8") != std::string::npos ||
        text.find("UTF8") != std::string::npos || text.find("utf-8") != std::string::npos;
    return utf8 ? TextStyle::unicode : TextStyle::ascii;
  }
  return TextStyle::ascii;
}

}  // namespace

Console& console() {
  static Console instance;
  return instance;
}

Console::Console()
    : terminal_(::isatty(STDERR_FILENO) == 1),
      out_terminal_(::isatty(STDOUT_FILENO) == 1),
      style_(locale_style()) {}

std::size_t Console::width() const {
  winsize size{};
  for (const int file : {STDERR_FILENO, STDOUT_FILENO})
    if (::ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 100;
}

void Console::print(const std::string& text) {
  if (output_free_)
    error_text(text);
  else
    print_result(text);
}

void Console::print_result(const std::string& text) {
  clear_bar();
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw Error(ErrorCode::io,
                std::string("standard output: cannot write: ") + std::strerror(errno));
}

void Console::note(const std::string& text) {
  clear_bar();
  error_text(text + "\n");
  if (meter_) draw(now_seconds(), true);
}

void Console::error_text(const std::string& text) {
  clear_bar();
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void Console::clear_bar() {
  if (!bar_shown_) return;
  std::fputs("\r\x1b[K", stderr);
  bar_shown_ = false;
}

void Console::progress(const std::string& label, std::int64_t done, std::int64_t total,
                       std::int64_t first, const ProgressValues& values, const std::string& unit) {
  const double now = now_seconds();
  if (!meter_ || label != label_) {
    finish();
    ProgressOptions options;
    options.style = style_;
    options.unit = unit;
    // What was done when the work is heard of for the first time took a time that is known, or none
    // that could be measured.
    const double busy = values.busy_seconds.value_or(0);
    meter_.emplace(label, total > 0 ? std::optional(total) : std::nullopt, now - busy,
                   busy > 0 ? first : done, options, busy > 0 ? 0 : values.samples.value_or(0));
    label_ = label;
  }
  meter_->update(now, done, values);
  draw(now, false);
}

void Console::draw(double now, bool always) {
  if (!terminal_) {
    if (const auto line = meter_->line(now)) error_text(*line + "\n");
    return;
  }
  if (!meter_->redraw_due(now) && !always) return;
  // One column is left free: a full line makes some terminals wrap.
  const std::string bar = "\r" + meter_->bar(now, width() - 1) + "\x1b[K";
  std::fwrite(bar.data(), 1, bar.size(), stderr);
  std::fflush(stderr);
  bar_shown_ = true;
}

void Console::finish() {
  if (!meter_) return;
  const double now = now_seconds();
  meter_->finish(now);
  if (terminal_) {
    draw(now, true);
    std::fputs("\n", stderr);
    bar_shown_ = false;
  } else {
    draw(now, true);
  }
  meter_.reset();
  label_.clear();
}

std::string show_accuracy(double accuracy, double low, double high) {
  return terminal_text(format_interval(accuracy, low, high), console().style());
}

}  // namespace hone
