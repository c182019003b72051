#include "hone/train/schedule.hpp"

#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {

std::vector<float> make_schedule(const std::string& kind, double lr, double warmup,
                                 std::int64_t steps) {
  const std::vector<std::string> kinds{"constant", "cosine", "linear"};
  if (kind != "constant" && kind != "linear" && kind != "cosine")
    throw Error(ErrorCode::invalid_argument, "unknown schedule '" + kind + "'",
                did_you_mean(kind, kinds));
  if (!(lr >= 0) || !std::isfinite(lr))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a learning rate of {} makes no sense", lr));
  if (!(warmup >= 0))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a warm-up of {} steps makes no sense", warmup));
  const double rising =
      warmup < 1 ? std::ceil(warmup * static_cast<double>(steps)) : std::floor(warmup);
  if (rising > static_cast<double>(steps))
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("a warm-up of {} steps is longer than the run of {} steps", rising, steps));
  std::vector<float> rates;
  rates.reserve(static_cast<std::size_t>(steps));
  for (std::int64_t i = 0; i < steps; ++i) {
    const auto step = static_cast<double>(i);
    double factor = 1;
    if (step < rising) {
      factor = step / rising;
    } else if (kind != "constant") {
      const double progress = (step - rising) / std::max(1.0, static_cast<double>(steps) - rising);
      factor = kind == "linear" ? 1 - progress : 0.5 * (1 + std::cos(std::numbers::pi * progress));
    }
    rates.push_back(static_cast<float>(lr * factor));
  }
  return rates;
}

}  // namespace hone
