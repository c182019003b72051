// Half a cosine, several times over: Loshchilov and Hutter, "SGDR" (arXiv 1608.03983).
#include <cmath>
#include <numbers>

#include "hone/train/schedules/schedule.hpp"

namespace hone {
namespace {
namespace cosine_with_restarts_schedule {

double factor(const ScheduleCall& call) {
  const double cycles = static_cast<double>(call.options.integer("cycles"));
  const double within = std::fmod(cycles * call.progress(), 1.0);
  return 0.5 * (1 + std::cos(std::numbers::pi * within));
}

}  // namespace cosine_with_restarts_schedule
}  // namespace

Schedule schedule_cosine_with_restarts() {
  using namespace cosine_with_restarts_schedule;
  return {{"cosine_with_restarts",
           "falls to zero along half a cosine, several times from the top",
           {{"cycles", OptionType::integer, std::int64_t{2}, "how many times", 2, 1e6}}},
          factor};
}

}  // namespace hone
