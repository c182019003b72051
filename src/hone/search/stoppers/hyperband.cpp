// Hyperband (Li et al., "Hyperband: a novel bandit-based approach to hyperparameter optimization",
// 2018) as successive halving in brackets that begin at different rungs. A trial's bracket follows
// from its number; trials compete within their bracket.
#include <cmath>

#include "hone/search/detail/curves.hpp"

namespace hone {
namespace {
namespace hyperband_stopper {

// Trials in turn, a bracket's share as in the paper's table: ceil(brackets factor^s / (s + 1)) of
// those that halve s times.
std::size_t bracket_of(std::int64_t number, std::size_t brackets, double factor) {
  std::vector<std::int64_t> shares;
  std::int64_t all = 0;
  for (std::size_t bracket = 0; bracket < brackets; ++bracket) {
    const auto halvings = static_cast<double>(brackets - 1 - bracket);
    shares.push_back(static_cast<std::int64_t>(
        std::ceil(static_cast<double>(brackets) * std::pow(factor, halvings) / (halvings + 1))));
    all += shares.back();
  }
  // Spread out: the one that is furthest behind its share gets the next trial.
  std::vector<std::int64_t> debt(brackets, 0);
  std::size_t chosen = 0;
  for (std::int64_t k = 0; k <= number % all; ++k) {
    for (std::size_t i = 0; i < brackets; ++i) debt[i] += shares[i];
    chosen = 0;
    for (std::size_t i = 1; i < brackets; ++i)
      if (debt[i] > debt[chosen]) chosen = i;
    debt[chosen] -= all;
  }
  return chosen;
}

bool stop(const StopCall& call) {
  std::int64_t most = call.options.integer("max_resource");
  if (most == 0) {
    const std::optional<std::int64_t> last = last_step_of_complete(call);
    if (!last) return false;
    most = *last;
  }
  const auto least = static_cast<double>(call.options.integer("min_resource"));
  const double factor = call.options.real("reduction_factor");
  const double ratio = std::max(1.0, static_cast<double>(most) / least);
  // (1e-9: log(81) / log(3) is 4.)
  const auto brackets = 1 + static_cast<std::size_t>(std::log(ratio) / std::log(factor) + 1e-9);
  const std::size_t own = bracket_of(call.trial.number, brackets, factor);
  std::vector<const Trial*> others;
  for (const Trial& other : call.trials)
    if (bracket_of(other.number, brackets, factor) == own) others.push_back(&other);
  return loses_at_rung(call, others, least * std::pow(factor, static_cast<double>(own)), factor);
}

}  // namespace hyperband_stopper
}  // namespace

Stopper stopper_hyperband() {
  using namespace hyperband_stopper;
  Stopper stopper{{"hyperband", "successive halving in brackets that begin at different rungs"}};
  stopper.options = {
      {"min_resource", OptionType::integer, std::int64_t{1}, "steps to the first rung", 1, 1e15},
      {"max_resource", OptionType::integer, std::int64_t{0},
       "steps of a whole trial; 0: the last step of the first complete one", 0, 1e15},
      {"reduction_factor", OptionType::real, 3.0,
       "one of so many goes on; the next rung is so many times further", 1.5, 1e6}};
  stopper.stop = stop;
  return stopper;
}

}  // namespace hone
