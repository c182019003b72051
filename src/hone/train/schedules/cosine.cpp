// Half a period of a cosine: Loshchilov and Hutter, "SGDR" (arXiv 1608.03983), without restarts.
#include <cmath>
#include <numbers>

#include "hone/train/schedules/schedule.hpp"

namespace hone {

Schedule schedule_cosine() {
  return {{"cosine", "falls to zero at the end along half a cosine"}, [](const ScheduleCall& call) {
            return 0.5 * (1 + std::cos(std::numbers::pi * call.progress()));
          }};
}

}  // namespace hone
