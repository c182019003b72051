#include "hone/train/schedules/schedule.hpp"

namespace hone {

Schedule schedule_constant() {
  return {{"constant", "stays as it is after the warm-up"},
          [](const ScheduleCall&) { return 1.0; }};
}

}  // namespace hone
