// Studies in memory, for tests of samplers and stoppers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hone/search/sampler.hpp"

namespace hone_test {

using namespace hone;

inline ParameterPtr parameter(const std::string& name, Distribution of) {
  return std::make_shared<SearchParameter>(SearchParameter{name, std::move(of)});
}
inline Dimension dimension(const std::string& name, Distribution of,
                           std::vector<Condition> when = {}) {
  return {parameter(name, std::move(of)), std::move(when)};
}
inline Dimension real(const std::string& name, double low, double high, double step = 0,
                      bool log = false) {
  return dimension(name, reals(low, high, step, log, name));
}
inline Dimension integer(const std::string& name, std::int64_t low, std::int64_t high,
                         std::int64_t step = 1, bool log = false) {
  return dimension(name, integers(low, high, step, log, name));
}
inline Dimension choice(const std::string& name, std::vector<Json> choices) {
  return dimension(name, categorical(std::move(choices), name));
}
inline Dimension when(Dimension child, const std::string& parent, std::vector<Json> values) {
  child.when.push_back({parent, std::move(values)});
  return child;
}

inline std::unique_ptr<Sampling> make_sampling(const std::string& name, const Options& given = {}) {
  const Sampler& sampler = find_member(sampler_table(), name, "sampler");
  return sampler.make(complete_options(sampler.options, given, name));
}

struct MemoryStudy {
  Space space;
  std::vector<Direction> directions = {Direction::minimize};
  std::uint64_t seed = 0;
  std::int64_t budget = 0;
  std::vector<Trial> trials = {};

  Sample next(Sampling& sampling, const Assignment& fixed = {}) const {
    return sampling.sample({.space = space,
                            .directions = directions,
                            .trials = trials,
                            .number = static_cast<std::int64_t>(trials.size()),
                            .seed = seed,
                            .fixed = fixed,
                            .budget = budget});
  }
  Trial& add(const Sample& sample, TrialState state, std::vector<double> values = {}) {
    const auto number = static_cast<std::int64_t>(trials.size());
    Trial trial{.id = TrialId{number + 1}, .number = number, .state = state};
    trial.values = std::move(values);
    for (const Dimension& one : space.dimensions())
      if (const auto found = sample.values.find(one.name()); found != sample.values.end())
        trial.parameters.push_back({one.parameter, found->second});
    trial.system_attributes = sample.system_attributes;
    trials.push_back(std::move(trial));
    return trials.back();
  }
  // Runs trials until there are `count`.
  void run(Sampling& sampling, std::size_t count,
           const std::function<std::vector<double>(const Assignment&)>& objective) {
    while (trials.size() < count) {
      const Sample sample = next(sampling);
      add(sample, TrialState::complete, objective(sample.values));
    }
  }
};

// Empty, or what of the sample is not as its space wants it.
inline std::string fault_of(const Space& space, const Assignment& values) {
  std::size_t found = 0;
  for (const Dimension& one : space.dimensions()) {
    const auto value = values.find(one.name());
    if (space.exists(one, values) != (value != values.end())) return one.name() + " exists or not";
    if (value == values.end()) continue;
    ++found;
    if (!one.distribution().contains(value->second))
      return one.name() + " = " + std::to_string(value->second);
  }
  return found == values.size() ? "" : "values of no dimension";
}

}  // namespace hone_test
