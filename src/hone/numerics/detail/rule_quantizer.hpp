// Quantizers under the rules of other systems: for comparing with what they published. Their
// numbers are not always numbers of the format, so they are not packed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hone/numerics/detail/quantizers.hpp"

namespace hone {

class RuleQuantizer : public Quantizer {
public:
  RuleQuantizer(std::string format, std::string rule, double bits)
      : format_(std::move(format)), rule_(std::move(rule)), bits_(bits) {}

  // All of them throw Error(unsupported).
  PackedTensor pack(const Tensor& x) const override;
  Tensor unpack(const PackedTensor& packed) const override;
  void check(const PackedTensor& packed) const override;

  double bits_per_value(const Shape&) const override { return bits_; }
  std::vector<float> values(std::size_t) const override { return {}; }

protected:
  // Throws Error(invalid_argument) that starts with the format's name.
  [[noreturn]] void refuse(const std::string& message, const std::string& hint = "") const;

private:
  [[noreturn]] void refuse_packing() const;

  std::string format_, rule_;
  double bits_;
};

// y[i] = value(x[i]).
template <typename Value>
class ElementRule : public RuleQuantizer {
public:
  ElementRule(std::string format, std::string rule, double bits, Value value)
      : RuleQuantizer(std::move(format), std::move(rule), bits), value_(value) {}

  bool by_elements() const override { return true; }
  using Quantizer::quantize;
  void quantize(const float* x, float* y, std::int64_t rows, std::int64_t columns) const override {
    for (std::int64_t i = 0; i < rows * columns; ++i) y[i] = value_(x[i]);
  }

private:
  Value value_;
};

template <typename Value>
std::unique_ptr<const Quantizer> make_element_rule(std::string format, std::string rule,
                                                   double bits, Value value) {
  return std::make_unique<ElementRule<Value>>(std::move(format), std::move(rule), bits, value);
}

// The whole tensor at once: y = f(x).
class TensorRule : public RuleQuantizer {
public:
  using Function = std::function<Tensor(const Tensor&)>;
  // Rows are by themselves where they are whole numbers of runs of `row_run` numbers; 0: never.
  TensorRule(std::string format, std::string rule, double bits, std::int64_t row_run,
             Function function)
      : RuleQuantizer(std::move(format), std::move(rule), bits),
        row_run_(row_run),
        function_(std::move(function)) {}

  using Quantizer::quantize;
  void quantize(const float* x, float* y, std::int64_t rows, std::int64_t columns) const override;
  Tensor quantize(const Tensor& x) const override { return function_(x); }
  bool by_shape() const override { return true; }
  bool by_rows(std::int64_t columns) const override {
    return row_run_ > 0 && columns % row_run_ == 0;
  }

private:
  std::int64_t row_run_;
  Function function_;
};

// "16" or "1,16" or "-1,16": a list of sizes, -1 for a whole axis.
std::vector<std::int64_t> parse_size_list(const std::string& format, const std::string& text);

// A tensor cut into runs of `block` along one axis: the axis is moved last (and back). `f` gets the
// numbers in that order as rows of `length` (the axis), and changes them in place.
Tensor along_axis(
    const Tensor& x, std::int64_t axis,
    const std::function<void(float* numbers, std::int64_t count, std::int64_t length)>& f);

}  // namespace hone
