// The contract of a number format: how real numbers are rounded, and how they are packed into bits.
// One file in numerics/ a member.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/core/tensor.hpp"

namespace hone {

// The real bits of a quantized tensor.
struct PackedTensor {
  Shape shape;
  int code_bits = 0;
  // Code i occupies bits [i * code_bits, (i + 1) * code_bits), lowest bit first, in the order of the
  // elements; the last byte is filled up with zeros.
  std::vector<std::byte> codes;
  // One number a block, channel or tensor, as the format says; empty where it has none.
  Tensor scales;
};

// A format bound to its options.
class Quantizer {
public:
  virtual ~Quantizer() = default;

  // y[r, c] = the number of the format that stands for x[r, c], for `rows` rows of `columns` numbers;
  // y may be x. Uses one thread.
  virtual void quantize(const float* x, float* y, std::int64_t rows, std::int64_t columns) const = 0;
  // Whether row r of y depends on row r of x alone, so that a tensor may be quantized in pieces.
  virtual bool by_rows() const { return true; }
  // The real bits of quantize(x). Throws Error(numeric) where x has a NaN, which no code stands for.
  virtual PackedTensor pack(const Tensor& x) const = 0;
  // The numbers; equal to those of quantize bit for bit. Throws Error(bad_format) when sizes do not
  // agree.
  virtual Tensor unpack(const PackedTensor& packed) const = 0;
  // Bits of storage a number takes, the share of its block's scale included.
  virtual double bits_per_value(const Shape& shape) const = 0;
  // Numbers outside [low, high] get no gradient; by default the gradient passes straight through.
  struct Range {
    float low, high;
  };
  virtual const Range* gradient_range() const { return nullptr; }
  // Every non-negative number of the format, ascending, where there are at most `limit`; for formats
  // with scales: those of scale 1. Empty where there are more.
  virtual std::vector<float> values(std::size_t limit) const = 0;
};

struct Format : Described {
  // Besides "exact": the rules under which published systems compute it ("mase", "microxcaling").
  std::vector<std::string> rules = {};
  // One line: the number that x becomes.
  std::string formula;
  // What is done with infinities, NaN and zeros, and how rule mase differs, for the reference page.
  std::string notes;
  // Throws Error(invalid_argument) naming the option when options do not fit together. `rule` is
  // "exact" or one of `rules`.
  std::unique_ptr<const Quantizer> (*bind)(const Options& options, const std::string& rule) = nullptr;
};

// Every format (generated from the folder numerics/).
const std::vector<Format>& format_table();
// Throws Error(invalid_argument) naming the nearest known format.
const Format& find_format(const std::string& name);
// A format with its rule and options, completed and checked: what a `quantize` node carries as text.
// Throws Error(invalid_argument) naming the format and the nearest known option or rule.
std::unique_ptr<const Quantizer> bind_format(const std::string& name, const std::string& rule,
                                             const Options& options);
// "width=8 frac_width=4", in the order of the names, and back (types and ranges checked). An empty text
// means all defaults.
std::string format_options_text(const Options& options);
Options parse_format_options(const Format& format, const std::string& text);

}  // namespace hone
