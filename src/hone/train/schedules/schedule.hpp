// The contract of a schedule: how the learning rate goes. One file in train/schedules/ a member.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/core/options.hpp"

namespace hone {

// A step, from 0, of a run; the first `warmup` steps rise linearly from zero whatever the schedule.
struct ScheduleCall {
  double step, warmup, steps;
  double lr;               // the highest rate
  const Options& options;  // of the schedule, complete

  // The share of the steps after the warm-up that is done.
  double progress() const {
    const double falling = steps - warmup;
    return (step - warmup) / (falling < 1 ? 1 : falling);
  }
};

struct Schedule : Described {
  // The share of `lr` that a step after the warm-up has. Throws Error(invalid_argument) for options
  // that do not fit the run.
  double (*factor)(const ScheduleCall& call) = nullptr;
};

// Every schedule (generated from the folder).
const std::vector<Schedule>& schedule_table();
// Throws Error(invalid_argument) naming the nearest known schedule.
const Schedule& find_schedule(const std::string& name);

// The learning rate of every step of a run: those of the schedulers of Hugging Face transformers.
// Step i of a warm-up has i / warmup of `lr`; a warm-up below 1 is a share of the steps. Throws
// Error(invalid_argument) for what makes no sense.
std::vector<float> make_schedule(const std::string& kind, double lr, double warmup,
                                 std::int64_t steps, const Options& options = {});

}  // namespace hone
