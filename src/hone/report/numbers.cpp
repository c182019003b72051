#include "hone/report/numbers.hpp"

#include <array>
#include <cmath>
#include <span>

#include <fmt/format.h>

namespace hone {
namespace {

// Three significant digits of 0 <= value < 999.5, without an exponent.
std::string three_digits(double value) {
  const int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}", value, decimals);
}

std::string not_finite(double value) {
  if (std::isnan(value)) return no_number;
  return value > 0 ? "inf" : "-inf";
}

std::string scaled(double value, double base, std::span<const char* const> units) {
  if (!std::isfinite(value)) return not_finite(value);
  if (value < 0) return "-" + scaled(-value, base, units);
  std::size_t unit = 0;
  // The next unit begins where three digits would round up to its first value.
  while (value >= 999.5 && unit + 1 < units.size()) {
    value /= base;
    ++unit;
  }
  const std::string suffix = *units[unit] == '\0' ? "" : std::string(" ") + units[unit];
  if (value >= 999.5 || (unit == 0 && value == std::floor(value)))
    return fmt::format("{:.0f}{}", value, suffix);
  return three_digits(value) + suffix;
}

}  // namespace

std::string format_count(double value) {
  static constexpr std::array units{"", "k", "M", "G", "T", "P"};
  return scaled(value, 1000, units);
}

std::string format_bytes(double bytes) {
  static constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  return scaled(bytes, 1024, units);
}

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds)) return not_finite(seconds);
  if (seconds < 0) return "-" + format_duration(-seconds);
  if (seconds == 0) return "0 s";
  if (seconds < 999.5e-9) return three_digits(seconds * 1e9) + " ns";
  if (seconds < 999.5e-6) return three_digits(seconds * 1e6) + " µs";
  if (seconds < 0.9995) return three_digits(seconds * 1e3) + " ms";
  if (seconds < 59.95) return three_digits(seconds) + " s";
  const double whole = std::round(seconds);
  if (whole < 3600)
    return fmt::format("{:.0f} min {:02.0f} s", std::floor(whole / 60), std::fmod(whole, 60));
  const double minutes = std::round(seconds / 60);
  if (minutes < 1440)
    return fmt::format("{:.0f} h {:02.0f} min", std::floor(minutes / 60), std::fmod(minutes, 60));
  const double hours = std::round(seconds / 3600);
  return fmt::format("{:.0f} d {:02.0f} h", std::floor(hours / 24), std::fmod(hours, 24));
}

std::string format_clock(double seconds) {
  if (!std::isfinite(seconds)) return "--:--";
  const double whole = std::round(std::max(0.0, seconds));
  const double hours = std::floor(whole / 3600);
  const double minutes = std::floor(std::fmod(whole, 3600) / 60);
  const double rest = std::fmod(whole, 60);
  if (hours > 0) return fmt::format("{:.0f}:{:02.0f}:{:02.0f}", hours, minutes, rest);
  return fmt::format("{:02.0f}:{:02.0f}", minutes, rest);
}

std::string format_percent(double fraction, int decimals) {
  if (!std::isfinite(fraction)) return not_finite(fraction);
  return fmt::format("{:.{}f} %", fraction * 100, decimals);
}

std::string format_interval(double fraction, double low, double high) {
  if (!std::isfinite(fraction) || !std::isfinite(low) || !std::isfinite(high))
    return format_percent(fraction);
  return fmt::format("{} ({:.2f}–{:.2f})", format_percent(fraction), low * 100, high * 100);
}

std::string format_significant(double value, int digits) {
  if (!std::isfinite(value)) return not_finite(value);
  std::string text = fmt::format("{:.{}g}", value, digits);
  const std::size_t exponent = text.find('e');
  if (exponent == std::string::npos) return text;
  // "e-04" to "e-4", "e+06" to "e6".
  std::size_t at = exponent + 1;
  if (text[at] == '+') text.erase(at, 1);
  if (text[at] == '-') ++at;
  while (at + 1 < text.size() && text[at] == '0') text.erase(at, 1);
  return text;
}

}  // namespace hone
