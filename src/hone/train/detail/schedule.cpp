#include "hone/train/schedules/schedule.hpp"

#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {

const Schedule& find_schedule(const std::string& name) {
  return find_member(schedule_table(), name, "schedule");
}

std::vector<float> make_schedule(const std::string& kind, double lr, double warmup,
                                 std::int64_t steps, const Options& options) {
  const Schedule& schedule = find_schedule(kind);
  const Options complete = complete_options(schedule.options, options, "schedule " + kind);
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
    const double factor =
        step < rising ? step / rising
                      : schedule.factor({step, rising, static_cast<double>(steps), lr, complete});
    rates.push_back(static_cast<float>(lr * factor));
  }
  return rates;
}

}  // namespace hone
