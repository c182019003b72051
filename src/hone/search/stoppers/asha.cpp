// Asynchronous successive halving (Li et al., "A system for massively parallel hyperparameter
// tuning", 2020): at steps that grow by a factor, only the best of those who came there go on. A
// rung's values are each trial's first one at its step or past it: they are read from the trials
// alone.
#include <cmath>

#include "hone/search/detail/curves.hpp"

namespace hone {
namespace {
namespace asha_stopper {

bool stop(const StopCall& call) {
  auto least = static_cast<double>(call.options.integer("min_resource"));
  if (least == 0) {
    const std::optional<std::int64_t> last = last_step_of_complete(call);
    if (!last) return false;
    least = std::max(1.0, std::floor(static_cast<double>(*last) / 100));
  }
  const double factor = call.options.real("reduction_factor");
  std::vector<const Trial*> others;
  for (const Trial& other : call.trials) others.push_back(&other);
  const auto rate = static_cast<double>(call.options.integer("min_early_stopping_rate"));
  return loses_at_rung(call, others, least * std::pow(factor, rate), factor);
}

}  // namespace asha_stopper
}  // namespace

Stopper stopper_asha() {
  using namespace asha_stopper;
  Stopper stopper{{"asha", "successive halving: at each rung the best part goes on"}};
  stopper.options = {
      {"min_resource", OptionType::integer, std::int64_t{0},
       "steps to the first rung; 0: a hundredth of the last step of the first complete trial", 0,
       1e15},
      {"reduction_factor", OptionType::real, 4.0,
       "one of so many goes on; the next rung is so many times further", 1.01, 1e6},
      {"min_early_stopping_rate", OptionType::integer, std::int64_t{0},
       "rungs that are left out at the beginning", 0, 60}};
  stopper.stop = stop;
  return stopper;
}

}  // namespace hone
