// Options that several formats have, and the errors of those that do not fit together.
#pragma once

#include "hone/numerics/detail/grid_kernels.hpp"
#include "hone/numerics/format.hpp"

namespace hone {

OptionSpec width_option(int minimum, int maximum, int default_value);
OptionSpec exponent_width_option(int minimum, int maximum, int default_value);
OptionSpec exponent_bias_option(const std::string& default_text);
OptionSpec exponent_bias_width_option();
OptionSpec block_size_option(const std::string& default_value);
// What a last block does that is shorter than the others.
OptionSpec tail_option();
// Read by rule mase only.
OptionSpec skip_first_dim_option();
OptionSpec block_dim_option();

// Throws Error(invalid_argument) "[format] ...".
[[noreturn]] void fail_format(const std::string& format, const std::string& message,
                              const std::string& hint = "");
// "32" (consecutive numbers of a row) or "rows,columns" (a box); throws Error(invalid_argument).
BlockShape parse_block_size(const std::string& format, const std::string& text);
// 2^bits - 1, for 0 <= bits <= 32: what bits hold, and the largest code of their exponents.
constexpr std::int64_t largest_code_of(int bits) { return (std::int64_t{1} << bits) - 1; }
// The largest float32 that is at most 2^bits - 1.
float largest_whole(int bits);
// The option with its largest value under rule exact in its help; beyond lie numbers that float32
// does not have.
OptionSpec with_most(OptionSpec option, int most);
// Throws Error(invalid_argument) where a width is above the most that rule exact has.
void refuse_wider(const std::string& format, const std::string& option, std::int64_t value,
                  std::int64_t most);
// A single size, 0 (a whole axis) included where `zero` is allowed.
std::int64_t parse_run_length(const std::string& format, const std::string& text, bool zero);
// Bits after sign and exponent; throws unless there are at least `minimum`.
int mantissa_bits(const std::string& format, int width, int exponent_width, int minimum);

// `options` with the largest exponent_bias with which the format's largest number is at least
// `magnitude`; unchanged for zero, infinity and NaN.
Options fit_exponent_bias(const std::string& format, const Options& options, float magnitude);

}  // namespace hone
