// Stops a trial whose best value so far is worse than a percentile of what complete trials had at
// the same step (Golovin et al., "Google Vizier", 2017, use the median).
#include "hone/search/detail/curves.hpp"

namespace hone {
namespace {
namespace percentile_stopper {

bool stop(const StopCall& call) { return is_behind(call, call.options.real("percentile")); }

}  // namespace percentile_stopper
}  // namespace

Stopper stopper_percentile() {
  using namespace percentile_stopper;
  Stopper stopper{{"percentile", "trials that are not among the best percent at a step"}};
  stopper.options = percentile_options();
  stopper.options.insert(stopper.options.begin(),
                         {"percentile", OptionType::real, 25.0,
                          "this many percent of the complete trials are good enough", 0, 100});
  stopper.stop = stop;
  return stopper;
}

}  // namespace hone
