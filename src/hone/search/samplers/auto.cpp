// Picks a sampler by the space, the number of trials and the objectives, and says why.
#include <fmt/format.h>

#include "hone/search/detail/axes.hpp"
#include "hone/search/sampler.hpp"

namespace hone {
namespace {
namespace auto_sampler {

// Up to here a Gaussian process is worth its time, and better than TPE.
constexpr std::int64_t few_trials = 100;
constexpr std::size_t few_axes = 20;
// From here on a population has generations enough.
constexpr std::int64_t many_trials = 1000;
constexpr std::int64_t most_grid = 10000;

struct Choice {
  const char* sampler;
  std::string why;
};

// Whether half of the numeric axes or more have no end of values, on which a process interpolates.
bool is_smooth(const Space& space) {
  std::size_t categorical = 0, numeric = 0;
  for (const Dimension& one : space.dimensions())
    ++(one.distribution().kind == DistributionKind::categorical ? categorical : numeric);
  return numeric >= categorical;
}

// Of spaces without conditions: those with are never small enough to be gone through unnoticed.
std::int64_t combinations(const Space& space) {
  double product = 1;
  for (const Dimension& one : space.dimensions()) {
    const std::int64_t own = one.distribution().count();
    if (own == 0) return 0;
    product *= static_cast<double>(own);
    if (product > static_cast<double>(most_grid)) return 0;
  }
  return static_cast<std::int64_t>(product);
}

Choice choose(const SampleCall& call) {
  const std::size_t axes = call.space.dimensions().size();
  const std::size_t objectives = call.directions.size();
  const std::int64_t all = combinations(call.space);
  if (all > 0 && call.budget >= all)
    return {"grid",
            fmt::format("grid: {} trials are enough for all {} combinations", call.budget, all)};
  if (call.budget == 0) return {"tpe", "tpe: how many trials there will be is not known"};
  if (objectives >= 2 && call.budget >= many_trials)
    return {"nsga2", fmt::format("nsga2: {} objectives and {} trials, enough for many generations",
                                 objectives, call.budget)};
  if (call.budget <= few_trials && axes <= few_axes && is_smooth(call.space) &&
      !call.space.has_conditions() && objectives <= 2)
    return {"gp", fmt::format("gp: {} trials are few, and most of the {} parameters are numbers",
                              call.budget, axes)};
  return {"tpe", fmt::format("tpe: {} trials of {} parameters{}", call.budget, axes,
                             call.space.has_conditions() ? ", some of which exist at times" : "")};
}

class AutoSampling : public Sampling {
public:
  Sample sample(const SampleCall& call) override {
    const Choice choice = choose(call);
    std::unique_ptr<Sampling>& sampling = samplings_[choice.sampler];
    if (sampling == nullptr) {
      const Sampler& sampler = find_member(sampler_table(), choice.sampler, "sampler");
      sampling = sampler.make(complete_options(sampler.options, {}, choice.sampler));
    }
    Sample made = sampling->sample(call);
    made.why = choice.why;
    return made;
  }

private:
  std::map<std::string, std::unique_ptr<Sampling>> samplings_;
};

std::unique_ptr<Sampling> make(const Options&) { return std::make_unique<AutoSampling>(); }

}  // namespace auto_sampler
}  // namespace

Sampler sampler_auto() {
  using namespace auto_sampler;
  Sampler sampler{{"auto", "grid, gp, tpe or nsga2, by the space and the number of trials"}};
  sampler.make = make;
  return sampler;
}

}  // namespace hone
