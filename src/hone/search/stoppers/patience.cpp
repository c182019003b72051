// Stops a trial whose own curve has not become better for a while.
#include <cmath>
#include <limits>

#include "hone/search/detail/curves.hpp"

namespace hone {
namespace {
namespace patience_stopper {

bool stop(const StopCall& call) {
  if (!is_due(call)) return false;
  const double least = call.options.real("min_delta");
  double best = std::numeric_limits<double>::infinity();
  std::int64_t waited = 0;
  bool any = false;
  for (const auto& [step, value] : call.trial.intermediate) {
    if (step > call.step) break;
    const double loss = loss_of(value, call.direction);
    // (The first value is no worse than nothing, even where it is infinite. NaN is never better.)
    if (!std::isnan(loss) && (!any || loss < best - least)) {
      best = loss;
      waited = 0;
      any = true;
    } else {
      ++waited;
    }
  }
  return waited >= call.options.integer("patience");
}

}  // namespace patience_stopper
}  // namespace

Stopper stopper_patience() {
  using namespace patience_stopper;
  Stopper stopper{{"patience", "trials whose own curve stands still"}};
  stopper.options = {
      {"patience", OptionType::integer, std::int64_t{5},
       "values one after the other that are not better than the best before", 1, 1e9},
      {"min_delta", OptionType::real, 0.0, "better by more than this counts", 0}};
  for (OptionSpec& one : pace_options()) stopper.options.push_back(std::move(one));
  stopper.stop = stop;
  return stopper;
}

}  // namespace hone
