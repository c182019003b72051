// Learning rates of every step of a run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hone {

// `kind`: constant, linear (to zero at the end) or cosine (half a period, to zero). The first
// `warmup` steps rise linearly from zero; below 1 it is a share of the steps. The same values as
// the schedulers of Hugging Face transformers: step i (from 0) of a warm-up has i / warmup.
std::vector<float> make_schedule(const std::string& kind, double lr, double warmup,
                                 std::int64_t steps);

}  // namespace hone
