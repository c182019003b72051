// Stops a trial whose value is not a number or leaves the bounds.
#include <cmath>
#include <limits>

#include "hone/search/detail/curves.hpp"

namespace hone {
namespace {
namespace threshold_stopper {

bool stop(const StopCall& call) {
  if (!is_due(call)) return false;
  const double value = call.trial.intermediate.at(call.step);
  return std::isnan(value) || value < call.options.real("lower") ||
         value > call.options.real("upper");
}

}  // namespace threshold_stopper
}  // namespace

Stopper stopper_threshold() {
  using namespace threshold_stopper;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Stopper stopper{{"threshold", "trials whose value is NaN or outside of bounds"}};
  stopper.options = {{"lower", OptionType::real, -infinity, "stopped below this"},
                     {"upper", OptionType::real, infinity, "stopped above this"}};
  for (OptionSpec& one : pace_options()) stopper.options.push_back(std::move(one));
  stopper.stop = stop;
  return stopper;
}

}  // namespace hone
