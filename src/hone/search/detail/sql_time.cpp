#include "hone/search/detail/sql_time.hpp"

#include <charconv>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {
namespace {

using std::chrono::days;
using std::chrono::sys_days;

int read_digits(std::string_view text, std::size_t from, std::size_t count) {
  int value = 0;
  const char* first = text.data() + from;
  const auto read = text.size() < from + count
                        ? std::from_chars_result{first, std::errc::invalid_argument}
                        : std::from_chars(first, first + count, value);
  if (read.ec != std::errc{} || read.ptr != first + count)
    throw Error(ErrorCode::bad_format, fmt::format("'{}' is no time of a study", text),
                "expected YYYY-MM-DD HH:MM:SS.FFFFFF");
  return value;
}

}  // namespace

std::string print_sql_time(Time time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const auto micros = (time - day).count();
  const auto seconds = micros / 1000000;
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     seconds / 3600, seconds / 60 % 60, seconds % 60, micros % 1000000);
}

Time parse_sql_time(std::string_view text) {
  const std::chrono::year_month_day date(
      std::chrono::year(read_digits(text, 0, 4)),
      std::chrono::month(static_cast<unsigned>(read_digits(text, 5, 2))),
      std::chrono::day(static_cast<unsigned>(read_digits(text, 8, 2))));
  std::int64_t seconds = read_digits(text, 11, 2);
  seconds = seconds * 60 + read_digits(text, 14, 2);
  seconds = seconds * 60 + read_digits(text, 17, 2);
  std::int64_t micros = 0, unit = 100000;
  for (std::size_t i = 20; i < text.size() && text[i] != '+' && text[i] != '-' && unit > 0;
       ++i, unit /= 10)
    micros += read_digits(text, i, 1) * unit;
  return Time(sys_days(date)) + std::chrono::seconds(seconds) + std::chrono::microseconds(micros);
}

}  // namespace hone
