#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/train/schedules/schedule.hpp"

namespace hone {
namespace {
namespace polynomial_schedule {

double factor(const ScheduleCall& call) {
  const double end = call.options.real("lr_end");
  if (!(end < call.lr))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("lr_end: {:g} is not below the learning rate of {:g}", end, call.lr),
                "a polynomial schedule falls: give a smaller lr_end");
  const double left = std::pow(1 - call.progress(), call.options.real("power"));
  return ((call.lr - end) * left + end) / call.lr;
}

}  // namespace polynomial_schedule
}  // namespace

Schedule schedule_polynomial() {
  using namespace polynomial_schedule;
  return {{"polynomial",
           "falls to lr_end as a power of the steps that are left",
           {{"power", OptionType::real, 1.0, "of the share of steps left", 1e-3, 1e3},
            {"lr_end", OptionType::real, 1e-7, "the rate at the end", 0, 1e6}}},
          factor};
}

}  // namespace hone
