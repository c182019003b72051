// Progress of long work, as text. Time comes in as an argument and lines go out as strings; the
// command that owns the terminal writes them: a bar redrawn in place there, plain lines elsewhere.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "hone/report/terminal_table.hpp"

namespace hone {

struct ProgressOptions {
  TextStyle style = TextStyle::unicode;
  // Speed and time left come from the last this many seconds.
  double window_seconds = 30;
  // Plain mode: a line every this many seconds.
  double line_seconds = 10;
  // A bar is redrawn at most this often.
  double redraw_seconds = 0.1;
  std::string unit = "samples";
};

// What one update reports; what is absent is left out of the text.
struct ProgressValues {
  std::optional<double> loss = std::nullopt;
  std::optional<double> learning_rate = std::nullopt;
  std::optional<double> samples = std::nullopt;  // done in all
  // Spent on them in all, where that is known: without evaluations and saving. Absent: the clock.
  std::optional<double> busy_seconds = std::nullopt;
  std::string note = {};  // in words, in the place of the loss
};

// All times are seconds of one monotonic clock.
class ProgressMeter {
public:
  // `total` absent: unknown. `first` steps and `first_samples` were done before `now`: they count
  // in no rate.
  ProgressMeter(std::string label, std::optional<std::int64_t> total, double now,
                std::int64_t first = 0, ProgressOptions options = {}, double first_samples = 0);

  void update(double now, std::int64_t step, const ProgressValues& values = {});
  // The next epoch or phase of the same work.
  void set_label(std::string label) { label_ = std::move(label); }
  void finish(double now);

  // True when a bar should be redrawn now; at most once every `redraw_seconds`.
  bool redraw_due(double now);
  // One line of at most `width` columns. A narrow line drops the least useful parts.
  std::string bar(double now, std::size_t width) const;
  // Plain mode: a line when one is due (the first update, every `line_seconds`, the end).
  std::optional<std::string> line(double now);

  // Over the window; nothing before the first timed step. Samples a second are of the busy seconds
  // where those are known. By the clock, a pause (evaluation, saving) counts at most five times the
  // median step, so it does not swing the estimate.
  std::optional<double> steps_per_second() const;
  std::optional<double> samples_per_second() const;
  std::optional<double> seconds_left(double now) const;
  std::int64_t step() const { return step_; }
  bool finished() const { return finished_at_.has_value(); }

private:
  struct Interval {
    double seconds;
    double steps;
    double samples;
    double busy;
  };
  struct Rates {
    double steps;
    double samples;
  };
  struct Texts;
  std::optional<Rates> rates() const;
  Texts texts(double now) const;
  std::string draw_bar(std::size_t width) const;

  std::string label_;
  std::optional<std::int64_t> total_;
  ProgressOptions options_;
  double started_at_;
  std::int64_t step_;
  ProgressValues values_;
  std::deque<Interval> window_;
  double window_length_ = 0;
  // Where the interval being collected began.
  double mark_time_;
  std::int64_t mark_step_;
  double mark_samples_;
  double mark_busy_ = 0;
  double first_samples_;
  double updated_at_;
  std::optional<double> finished_at_;
  std::optional<double> drawn_at_;
  std::optional<double> line_at_;
  bool end_line_written_ = false;
};

}  // namespace hone
