// The contract of a number format: how real numbers are rounded, and how they are packed into bits.
// One file in numerics/ a member.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/core/tensor.hpp"

namespace hone {

// The real bits of a quantized tensor.
struct PackedTensor {
  Shape shape;
  int code_bits = 0;
  // u8[n]: code i occupies bits [i * code_bits, (i + 1) * code_bits), lowest bit first, in the
  // order of the elements; the last byte is filled up with zeros.
  Tensor codes;
  // Empty where the format has no scales. Blocks with a power of two 2^e: u8, e + 127 each (as
  // E8M0), row by row of blocks. Channels, groups or tensors with real scales: f32, as the format
  // says.
  Tensor scales;
};

// Where random numbers come from: the draw of element i is a function of (key, counter, stream, i)
// alone (philox.hpp).
struct RandomDraws {
  std::uint64_t key = 0;
  std::uint32_t counter = 0;
  std::uint32_t stream = 0;
  std::int64_t first = 0;  // the number of the first element
};

// Numbers that are small integers times scales: value[r, c] = scale[r, b] * (code[r, c] - zero[r])
// with b = c / block. What products on 8-bit integers run on.
struct Int8Layout {
  std::int64_t block = 0;  // columns that share a scale; 0: a whole row
  bool has_zero = false;   // codes are unsigned, 0 to 255, and `zero` counts; else -128 to 127
  bool fixed = false;      // one scale (and zero) for all rows whatever the numbers are:
  float scale = 0;
  std::int32_t zero = 0;
  std::int32_t low = -128, high = 127;  // the smallest and largest code
};

// A format bound to its options.
class Quantizer {
public:
  // Numbers outside [low, high] get no gradient.
  struct Range {
    float low, high;
  };

  virtual ~Quantizer() = default;

  // y[r, c] = the number of the format that stands for x[r, c], for `rows` rows of `columns`
  // numbers; y may be x. Uses one thread.
  virtual void quantize(const float* x, float* y, std::int64_t rows,
                        std::int64_t columns) const = 0;
  // The same for a tensor of any rank, seen as rows of its last dimension unless the format's
  // blocks depend on the rank. Throws Error(invalid_argument) where the format does not take the
  // shape.
  virtual Tensor quantize(const Tensor& x) const;
  // Whether row r of a matrix y with that many columns depends on row r of x alone, so that it may
  // be quantized in pieces.
  virtual bool by_rows(std::int64_t columns) const {
    (void)columns;
    return true;
  }

  // Whether every number is rounded by itself, the same way wherever it stands.
  virtual bool by_elements() const { return false; }

  // Whether tensors of more than two dimensions are rounded by what they are, not by rows: rules of
  // systems that have blocks of planes, or refuse them, in ways of their own.
  virtual bool by_shape() const { return false; }

  // Rounding that draws random numbers: quantize() rounds to nearest instead.
  virtual bool is_stochastic() const { return false; }
  virtual void quantize(const float* x, float* y, std::int64_t rows, std::int64_t columns,
                        const RandomDraws&) const {
    quantize(x, y, rows, columns);
  }

  // The gradient passes straight through unless has_gradient(); then dx[r, c] follows from x and
  // dy.
  virtual bool has_gradient() const { return gradient_range() != nullptr; }
  virtual const Range* gradient_range() const { return nullptr; }
  virtual void gradient(const float* x, const float* dy, float* dx, std::int64_t rows,
                        std::int64_t columns) const;

  // The real bits of quantize(x). Throws Error(numeric) where x has a NaN, which no code stands
  // for.
  virtual PackedTensor pack(const Tensor& x) const = 0;
  // The numbers; equal to those of quantize bit for bit. Throws Error(bad_format) when sizes do not
  // agree or a code stands for no number.
  virtual Tensor unpack(const PackedTensor& packed) const = 0;
  // Rows [first, first + rows) of the numbers, into y; `packed` has passed unpack's checks
  // (check_packed_tensor) before. By default from unpack; formats override it to read only these
  // rows.
  virtual void unpack_rows(const PackedTensor& packed, std::int64_t first, std::int64_t rows,
                           float* y) const;
  // Throws what unpack would throw, without making the numbers.
  virtual void check(const PackedTensor& packed) const = 0;
  // Bits of storage a number takes, the share of its block's scale included.
  virtual double bits_per_value(const Shape& shape) const = 0;

  // How the numbers are 8-bit integers times scales; nothing where they are not (or are wider).
  virtual std::optional<Int8Layout> int8_layout(std::int64_t columns) const {
    (void)columns;
    return std::nullopt;
  }
  // The codes of rows of x, `stride` bytes between rows, and per row the scales of its blocks
  // (scales[r * blocks + b]) and its zero; scales and zeros may be null when the layout is fixed.
  // NaN gets the code 0. value(code) equals quantize(x) bit for bit.
  virtual void encode_int8(const float* x, std::int64_t rows, std::int64_t columns,
                           std::int8_t* codes, std::int64_t stride, float* scales,
                           std::int32_t* zeros) const;
  // The same from packed bits, rows [first, first + rows).
  virtual void unpack_int8(const PackedTensor& packed, std::int64_t first, std::int64_t rows,
                           std::int8_t* codes, std::int64_t stride, float* scales,
                           std::int32_t* zeros) const;

  // Every non-negative number of the format, ascending, where there are at most `limit`; for
  // formats with scales: those of scale 1. Empty where there are more.
  virtual std::vector<float> values(std::size_t limit) const = 0;
};

// What a value is to a node.
enum class SlotKind { data, weight, bias };

// When an option takes effect: while `other` has `value`; without a value: while `other` is not
// given. `other` is an option, or "rule".
struct OptionUse {
  std::string option, other;
  std::optional<OptionValue> value = std::nullopt;
};

struct Format : Described {
  // Whether a selection that names only the format gives it to such values as well.
  bool for_data = true;
  bool for_bias = true;
  bool applies_to(SlotKind kind) const {
    return kind == SlotKind::weight || (kind == SlotKind::data ? for_data : for_bias);
  }
  // Besides "exact": the rules under which published systems compute it ("mase", "microxcaling").
  std::vector<std::string> rules = {};
  // Options that others can leave without effect: then bind_format refuses them.
  std::vector<OptionUse> uses = {};
  // One line: the number that x becomes.
  std::string formula = {};
  // What is done with infinities, NaN and zeros, and how rule mase differs, for the reference page.
  std::string notes = {};
  // Throws Error(invalid_argument) naming the option when options do not fit together. `rule` is
  // "exact" or one of `rules`.
  std::unique_ptr<const Quantizer> (*bind)(const Options& options,
                                           const std::string& rule) = nullptr;
  // The options that make the numbers reach just from `low` to `high` (low <= 0 <= high): a scale,
  // a point, a bias. Null: the format has nothing to calibrate.
  Options (*fit_range)(const Options& options, float low, float high) = nullptr;
  // Without fitted options the scales come from the numbers themselves, finer than one range could.
  bool scales_itself = false;
};

// Every format (generated from the folder numerics/).
const std::vector<Format>& format_table();
// Throws Error(invalid_argument) naming the nearest known format.
const Format& find_format(const std::string& name);
// A format with its rule and options, completed and checked: what a `quantize` node carries as
// text. Throws Error(invalid_argument) naming the format and the nearest known option or rule.
std::unique_ptr<const Quantizer> bind_format(const std::string& name, const std::string& rule,
                                             const Options& options);
// "width=8 frac_width=4", in the order of the names, and back (types and ranges checked). An empty
// text means all defaults.
std::string format_options_text(const Options& options);
Options parse_format_options(const Format& format, const std::string& text);

}  // namespace hone
