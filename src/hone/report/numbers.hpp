// Numbers as people read them: three significant digits, units, intervals. Not-a-number (a value
// the record does not hold) prints as a dash; infinity as "inf".
#pragma once

#include <string>

namespace hone {

// What stands where there is no number.
inline constexpr const char* no_number = "—";

// SI counts: 950, 4.39 M, 12.0 G. Below a thousand, whole numbers print whole.
std::string format_count(double value);
// Binary units: 512 B, 1.50 KiB, 16.7 MiB.
std::string format_bytes(double bytes);
// 350 µs, 12.3 ms, 4.56 s, 2 min 05 s, 1 h 02 min, 3 d 04 h.
std::string format_duration(double seconds);
// 02:03, 1:02:03: a clock of whole seconds, for progress bars.
std::string format_clock(double seconds);
// `fraction` in 0..1: 86.70 %.
std::string format_percent(double fraction, int decimals = 2);
// A fraction with its interval: 86.70 % (86.27–87.12).
std::string format_interval(double fraction, double low, double high);
// `digits` significant digits, exponents short: 0.3142, 12.5, 4.87e-4.
std::string format_significant(double value, int digits = 4);

}  // namespace hone
