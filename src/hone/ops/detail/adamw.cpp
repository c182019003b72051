#include "hone/ops/detail/adamw.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {

std::vector<OptionSpec> adamw_options() {
  return {{"beta1", OptionType::real, 0.9, "decay of the first moment", 0.0, 0.9999999},
          {"beta2", OptionType::real, 0.999, "decay of the second moment", 0.0, 0.9999999},
          {"epsilon", OptionType::real, 1e-8, "added to the denominator", 0.0, 1.0},
          {"weight_decay", OptionType::real, 0.0, "decoupled weight decay", 0.0, 100.0}};
}

AdamwSettings adamw_settings(const Options& a) {
  return {a.real("beta1"), a.real("beta2"), a.real("epsilon"), a.real("weight_decay")};
}

void check_table_row(const char* op, std::int32_t row, std::int64_t rows) {
  if (row < 0 || row >= rows)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("[{}] id {} is outside the table of {} rows", op, row, rows));
}

void adamw_catch_up(float* p, float* m, float* v, std::int64_t width, std::int64_t last,
                    std::int64_t until, const float* schedule, const AdamwSettings& settings) {
  for (std::int64_t j = 0; j < width; ++j) {
    double value = p[j];
    double first = m[j];
    double second = v[j];
    for (std::int64_t t = last + 1; t <= until; ++t)
      adamw_element(value, first, second, 0.0, schedule[t - 1], t, settings);
    p[j] = static_cast<float>(value);
    m[j] = static_cast<float>(first);
    v[j] = static_cast<float>(second);
  }
}

}  // namespace hone
