// The terminal: results on stdout, everything else (progress, warnings, errors) on stderr.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "hone/report/progress.hpp"
#include "hone/report/terminal_table.hpp"

namespace hone {

class Console {
public:
  Console();
  // To stdout as it is. Throws Error(io) when it cannot be written (a full disk, a closed pipe).
  void print(const std::string& text);
  // From now on print() goes to stderr: stdout is for print_result() alone (--json -).
  void keep_output_free() { output_free_ = true; }
  void print_result(const std::string& text);
  // A line about the work to stderr, above the bar when there is one.
  void note(const std::string& text);
  void error_text(const std::string& text);

  // Progress of one piece of work at a time: a bar on a terminal, plain lines elsewhere. A piece
  // with another label ends the one before. `first` is the step that a resumed run continues from,
  // for work that knows its busy seconds.
  void progress(const std::string& label, std::int64_t done, std::int64_t total, std::int64_t first,
                const ProgressValues& values, const std::string& unit);
  void finish();  // ends the bar

  TextStyle style() const { return style_; }
  bool terminal() const { return terminal_; }  // of stderr
  // Whether what print() writes is read by people: stdout is a terminal (or stderr in its place).
  bool output_terminal() const { return output_free_ ? terminal_ : out_terminal_; }
  std::size_t width() const;

private:
  void clear_bar();
  void draw(double now, bool always);

  bool terminal_;
  bool out_terminal_;
  bool output_free_ = false;
  TextStyle style_;
  std::string label_;
  std::optional<ProgressMeter> meter_;
  bool bar_shown_ = false;
};

Console& console();

// A number of 0..1 such as "86.70 % (86.27-87.12)" in the console's style.
std::string show_accuracy(double accuracy, double low, double high);

}  // namespace hone
