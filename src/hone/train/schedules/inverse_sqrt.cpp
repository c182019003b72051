// As Vaswani et al., "Attention Is All You Need" (arXiv 1706.03762), in the form of transformers.
#include <cmath>

#include "hone/train/schedules/schedule.hpp"

namespace hone {
namespace {
namespace inverse_sqrt_schedule {

double factor(const ScheduleCall& call) {
  double scale = static_cast<double>(call.options.integer("timescale"));
  if (scale == 0) scale = call.warmup > 0 ? call.warmup : 10000;
  return 1 / std::sqrt((call.step - call.warmup + scale) / scale);
}

}  // namespace inverse_sqrt_schedule
}  // namespace

Schedule schedule_inverse_sqrt() {
  using namespace inverse_sqrt_schedule;
  return {
      {"inverse_sqrt",
       "falls as one over the root of the steps",
       {{"timescale", OptionType::integer, std::int64_t{0},
         "steps after which it has fallen to 0.71; 0: those of the warm-up, or 10000", 0, 1e12}}},
      factor};
}

}  // namespace hone
