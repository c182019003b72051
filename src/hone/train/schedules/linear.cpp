#include "hone/train/schedules/schedule.hpp"

namespace hone {

Schedule schedule_linear() {
  return {{"linear", "falls evenly to zero at the end"},
          [](const ScheduleCall& call) { return 1 - call.progress(); }};
}

}  // namespace hone
