// MASE's formats on vectors: y[i] = rule.value(x[i]), bit for bit. x and y may be the same.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "hone/numerics/detail/mase_rules.hpp"
#include "hone/numerics/detail/rule_quantizer.hpp"

namespace hone::mase {

void round_values(const Integer& rule, const float* x, float* y, std::int64_t n);
void round_values(const MinifloatDenorm& rule, const float* x, float* y, std::int64_t n);
void round_values(const MinifloatIeee& rule, const float* x, float* y, std::int64_t n);
void round_values(const BlockFloat& rule, const float* x, float* y, std::int64_t n);
void round_values(const Log& rule, const float* x, float* y, std::int64_t n);

template <typename Rule>
class ValueQuantizer : public RuleQuantizer {
public:
  ValueQuantizer(std::string format, double bits, const Rule& rule)
      : RuleQuantizer(std::move(format), "mase", bits), rule_(rule) {}

  bool by_elements() const override { return true; }
  using Quantizer::quantize;
  void quantize(const float* x, float* y, std::int64_t rows, std::int64_t columns) const override {
    round_values(rule_, x, y, rows * columns);
  }

private:
  Rule rule_;
};

// Every number by itself.
template <typename Rule>
std::unique_ptr<const Quantizer> make_value_quantizer(std::string format, double bits,
                                                      const Rule& rule) {
  return std::make_unique<ValueQuantizer<Rule>>(std::move(format), bits, rule);
}

}  // namespace hone::mase
