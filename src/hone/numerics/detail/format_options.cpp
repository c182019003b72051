#include "hone/numerics/detail/format_options.hpp"

#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {

OptionSpec width_option(int minimum, int maximum, int default_value) {
  return {"width",
          OptionType::integer,
          std::int64_t{default_value},
          "bits of a number",
          static_cast<double>(minimum),
          static_cast<double>(maximum)};
}

OptionSpec exponent_width_option(int minimum, int maximum, int default_value) {
  return {"exponent_width",       OptionType::integer,          std::int64_t{default_value},
          "bits of the exponent", static_cast<double>(minimum), static_cast<double>(maximum)};
}

namespace {
// The usual bias of the widest exponent.
constexpr double largest_bias = 0x1p30;
}  // namespace

OptionSpec exponent_bias_option(const std::string& default_text) {
  return {"exponent_bias", OptionType::integer,
          std::nullopt,    "subtracted from the exponent's code (default: " + default_text + ")",
          -largest_bias,   largest_bias};
}

OptionSpec exponent_bias_width_option() {
  return {"exponent_bias_width",
          OptionType::integer,
          std::int64_t{8},
          "bits of the exponent bias that a block shares",
          1,
          32};
}

OptionSpec block_size_option(const std::string& default_value) {
  return {"block_size", OptionType::text, default_value,
          "numbers of a row that share a scale, or rows,columns for a box of a matrix"};
}

OptionSpec tail_option() {
  return {"tail",
          OptionType::text,
          std::string("pad"),
          "where block_size does not divide the tensor: pad (a shorter last block) or error",
          0,
          0,
          {"pad", "error"}};
}

OptionSpec skip_first_dim_option() {
  return {"skip_first_dim", OptionType::boolean, std::nullopt,
          "rule mase: blocks do not reach over the first axis (of activations)"};
}

OptionSpec block_dim_option() {
  return {"block_dim",
          OptionType::integer,
          std::nullopt,
          "other rules than exact: the axis that is cut into blocks (default: -1, the last)",
          -8,
          7};
}

void fail_format(const std::string& format, const std::string& message, const std::string& hint) {
  throw Error(ErrorCode::invalid_argument, "[" + format + "] " + message, hint);
}

float largest_whole(int bits) {
  const float power = power_of_two(bits);
  return bits <= 24 ? power - 1.0f : std::nextafter(power, 0.0f);
}

OptionSpec with_most(OptionSpec option, int most) {
  option.help += fmt::format(", under rule exact at most {}", most);
  return option;
}

void refuse_wider(const std::string& format, const std::string& option, std::int64_t value,
                  std::int64_t most) {
  if (value > most)
    fail_format(format,
                fmt::format("{} = {} is above {}, the most under rule exact", option, value, most),
                "make it smaller, or use rule mase");
}

BlockShape parse_block_size(const std::string& format, const std::string& text) {
  std::int64_t sizes[2] = {0, 0};
  int count = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (count < 2) {
    const auto [next, error] = std::from_chars(at, end, sizes[count]);
    if (error != std::errc() || sizes[count] < 1) break;
    ++count;
    at = next;
    if (at == end || *at != ',') break;
    ++at;
  }
  if (count == 0 || at != end)
    fail_format(format, fmt::format("block_size = '{}' is not a size", text),
                "give a positive number such as 32, or rows,columns such as 4,16");
  return count == 1 ? BlockShape{1, sizes[0]} : BlockShape{sizes[0], sizes[1]};
}

std::int64_t parse_run_length(const std::string& format, const std::string& text, bool zero) {
  std::int64_t size = 0;
  const auto [next, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc() || next != text.data() + text.size() || size < (zero ? 0 : 1))
    fail_format(format, fmt::format("block_size = '{}' is not one size, as this rule takes", text),
                "give a positive number such as 32");
  return size;
}

Options fit_exponent_bias(const std::string& format, const Options& options, float magnitude) {
  Options fitted = options;
  if (!(magnitude > 0) || !std::isfinite(magnitude)) return fitted;
  for (std::int64_t bias = 256; bias >= -256; --bias) {
    fitted.set("exponent_bias", bias);
    try {
      float largest = std::numeric_limits<float>::max();
      bind_format(format, "exact", fitted)->quantize(&largest, &largest, 1, 1);
      if (largest >= magnitude) return fitted;
    } catch (const Error&) {
      continue;  // numbers that float32 does not have
    }
  }
  return options;
}

int mantissa_bits(const std::string& format, int width, int exponent_width, int minimum) {
  const int bits = width - 1 - exponent_width;
  if (bits < minimum)
    fail_format(
        format,
        fmt::format("exponent_width = {} leaves {} mantissa bits of width = {}, at least {} are "
                    "needed",
                    exponent_width, bits, width, minimum),
        "make the width larger or the exponent smaller");
  if (bits > 23)
    fail_format(format, fmt::format("{} mantissa bits are more than float32 has (23)", bits),
                "make the width smaller");
  return bits;
}

}  // namespace hone
