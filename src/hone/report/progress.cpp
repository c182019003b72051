#include "hone/report/progress.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "hone/report/numbers.hpp"

namespace hone {
namespace {

// Updates closer than this are timed together: fast steps cost nothing and clocks stay accurate.
constexpr double least_interval = 0.05;
constexpr std::size_t fewest_intervals = 8;
constexpr std::size_t most_intervals = 512;
constexpr double pause_factor = 5;
constexpr std::size_t narrowest_bar = 6;
constexpr std::size_t widest_bar = 40;

}  // namespace

// The parts of a line, empty where there is nothing to say.
struct ProgressMeter::Texts {
  std::string label, count, percent, loss, rate, speed, time;
};

ProgressMeter::ProgressMeter(std::string label, std::optional<std::int64_t> total, double now,
                             std::int64_t first, ProgressOptions options, double first_samples)
    : label_(std::move(label)),
      total_(total),
      options_(std::move(options)),
      started_at_(now),
      step_(first),
      mark_time_(now),
      mark_step_(first),
      mark_samples_(first_samples),
      first_samples_(first_samples),
      updated_at_(now) {}

void ProgressMeter::update(double now, std::int64_t step, const ProgressValues& values) {
  step_ = step;
  values_ = values;
  updated_at_ = std::max(now, updated_at_);
  const double seconds = now - mark_time_;
  if (seconds < least_interval || step <= mark_step_) return;
  window_.push_back({seconds, static_cast<double>(step - mark_step_),
                     values.samples ? std::max(0.0, *values.samples - mark_samples_) : 0,
                     values.busy_seconds ? std::max(0.0, *values.busy_seconds - mark_busy_) : 0});
  window_length_ += seconds;
  mark_time_ = now;
  mark_step_ = step;
  if (values.samples) mark_samples_ = *values.samples;
  if (values.busy_seconds) mark_busy_ = *values.busy_seconds;
  while (window_.size() > fewest_intervals &&
         (window_.size() > most_intervals || window_length_ > options_.window_seconds)) {
    window_length_ -= window_.front().seconds;
    window_.pop_front();
  }
}

void ProgressMeter::finish(double now) {
  if (!finished_at_) finished_at_ = std::max(now, updated_at_);
}

std::optional<ProgressMeter::Rates> ProgressMeter::rates() const {
  if (window_.empty()) return std::nullopt;
  std::vector<double> per_step;
  for (const Interval& interval : window_) per_step.push_back(interval.seconds / interval.steps);
  const auto middle = per_step.begin() + static_cast<std::ptrdiff_t>(per_step.size() / 2);
  std::nth_element(per_step.begin(), middle, per_step.end());
  const double most = *middle * pause_factor;
  double seconds = 0, steps = 0, samples = 0, busy = 0;
  for (const Interval& interval : window_) {
    seconds += std::min(interval.seconds, most * interval.steps);
    steps += interval.steps;
    samples += interval.samples;
    busy += interval.busy;
  }
  return Rates{steps / seconds, samples / (busy > 0 ? busy : seconds)};
}

std::optional<double> ProgressMeter::steps_per_second() const {
  const auto known = rates();
  return known ? std::optional(known->steps) : std::nullopt;
}

std::optional<double> ProgressMeter::samples_per_second() const {
  const auto known = rates();
  return known && known->samples > 0 ? std::optional(known->samples) : std::nullopt;
}

std::optional<double> ProgressMeter::seconds_left(double now) const {
  if (finished_at_ || (total_ && step_ >= *total_)) return 0;
  const auto known = rates();
  if (!total_ || !known) return std::nullopt;
  // Between two updates the clock runs on, but never past the end of the step under way.
  const double running = std::clamp(now - updated_at_, 0.0, 1 / known->steps);
  return std::max(0.0, static_cast<double>(*total_ - step_) / known->steps - running);
}

ProgressMeter::Texts ProgressMeter::texts(double now) const {
  Texts texts;
  texts.label = terminal_text(label_, options_.style);
  texts.count = total_ ? fmt::format("{}/{}", step_, *total_) : fmt::format("{}", step_);
  if (total_ && *total_ > 0)
    texts.percent = fmt::format(
        "{:.0f} %", std::floor(100.0 * static_cast<double>(step_) / static_cast<double>(*total_)));
  if (!values_.note.empty()) texts.loss = terminal_text(values_.note, options_.style);
  if (values_.loss) texts.loss = fmt::format("loss {:.4f}", *values_.loss);
  if (values_.learning_rate) texts.rate = "lr " + format_significant(*values_.learning_rate, 3);
  if (finished_at_) {
    const double seconds = *finished_at_ - started_at_;
    texts.time = "done in " + format_clock(seconds);
    // The end tells the speed of the whole; by the clock, pauses are included.
    const double busy = values_.busy_seconds.value_or(seconds);
    const double samples = values_.samples.value_or(0) - first_samples_;
    if (samples > 0 && busy > 0)
      texts.speed = fmt::format("{} {}/s", format_count(samples / busy), options_.unit);
    return texts;
  }
  if (const auto speed = samples_per_second())
    texts.speed = fmt::format("{} {}/s", format_count(*speed), options_.unit);
  if (const auto left = seconds_left(now))
    texts.time = format_clock(*left) + " left";
  else
    texts.time = format_clock(now - started_at_);
  return texts;
}

std::string ProgressMeter::draw_bar(std::size_t width) const {
  const double done =
      *total_ <= 0
          ? 1
          : std::clamp(static_cast<double>(step_) / static_cast<double>(*total_), 0.0, 1.0);
  std::string text;
  if (options_.style == TextStyle::ascii) {
    const std::size_t inner = width - 2;
    const auto full = static_cast<std::size_t>(done * static_cast<double>(inner));
    text = "[" + std::string(full, '=') + std::string(inner - full, ' ') + "]";
    if (full > 0 && full < inner) text[full] = '>';
    return text;
  }
  const auto halves = static_cast<std::size_t>(done * 2 * static_cast<double>(width));
  for (std::size_t i = 0; i < width; ++i)
    text += 2 * i + 1 < halves ? "━" : 2 * i < halves ? "╸" : "─";
  return text;
}

std::string ProgressMeter::bar(double now, std::size_t width) const {
  const Texts texts = this->texts(now);
  // In the order shown; the bar takes what is left over. `rank` says who stays on a narrow line.
  struct Part {
    const std::string* text;
    int rank;
    bool shown = false;
  };
  std::vector<Part> parts{{&texts.label, 3}, {nullptr, 6},      {&texts.count, 0}, {&texts.loss, 2},
                          {&texts.rate, 5},  {&texts.speed, 4}, {&texts.time, 1}};
  constexpr std::size_t gap = 2;
  std::size_t used = 0;
  for (int rank = 0; rank < static_cast<int>(parts.size()); ++rank) {
    for (Part& part : parts) {
      if (part.rank != rank || (part.text != nullptr && part.text->empty())) continue;
      if (part.text == nullptr && !total_) continue;
      const std::size_t needed = (used == 0 ? 0 : gap) +
                                 (part.text == nullptr ? narrowest_bar : display_width(*part.text));
      if (used + needed > width) continue;
      part.shown = true;
      used += needed;
    }
  }
  std::string line;
  for (const Part& part : parts) {
    if (!part.shown) continue;
    if (!line.empty()) line.append(gap, ' ');
    line += part.text != nullptr ? *part.text
                                 : draw_bar(std::min(widest_bar, narrowest_bar + width - used));
  }
  return line.empty() ? cut_to_width(texts.count, width, options_.style) : line;
}

bool ProgressMeter::redraw_due(double now) {
  if (drawn_at_ && now - *drawn_at_ < options_.redraw_seconds && !finished_at_) return false;
  drawn_at_ = now;
  return true;
}

std::optional<std::string> ProgressMeter::line(double now) {
  if (end_line_written_) return std::nullopt;
  if (!finished_at_ && line_at_ && now - *line_at_ < options_.line_seconds) return std::nullopt;
  line_at_ = now;
  end_line_written_ = finished_at_.has_value();
  const Texts texts = this->texts(now);
  std::string line;
  const std::string count =
      texts.percent.empty() ? texts.count : fmt::format("{} ({})", texts.count, texts.percent);
  for (const std::string& part :
       {texts.label, count, texts.loss, texts.rate, texts.speed, texts.time}) {
    if (part.empty()) continue;
    if (!line.empty()) line += "  ";
    line += part;
  }
  return line;
}

}  // namespace hone
