// Stops a trial whose best value so far is worse than the median of what complete trials had at the
// same step (Golovin et al., "Google Vizier", 2017).
#include "hone/search/detail/curves.hpp"

namespace hone {
namespace {
namespace median_stopper {

bool stop(const StopCall& call) { return is_behind(call, 50); }

}  // namespace median_stopper
}  // namespace

Stopper stopper_median() {
  using namespace median_stopper;
  Stopper stopper{{"median", "trials that are behind half of the complete ones"}};
  stopper.options = percentile_options();
  stopper.stop = stop;
  return stopper;
}

}  // namespace hone
