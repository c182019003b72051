// Experiments that time something: their points are BenchPoints, and hold for one machine.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hone/recipes/experiment.hpp"
#include "hone/recipes/recipe.hpp"
#include "hone/record/bench_events.hpp"

namespace hone {

// name, out and threads, then `more`.
std::vector<OptionSpec> bench_options(std::vector<OptionSpec> more);

class BenchExperiment {
public:
  // Sets the threads. A folder with points of another machine is refused.
  BenchExperiment(const RecipeCall& call, const RunWatcher& watcher);

  // Measures a point; `measure` fills in what was found. `place` is what, series, against, axis and
  // at.
  void take(const BenchPoint& place, const std::function<void(BenchPoint&)>& measure);
  // Runs `measure_all`, which takes every point, and ends the record.
  Json run(const std::function<void()>& measure_all);

private:
  ExperimentPoint point_of(const BenchPoint& place) const;

  Experiment experiment_;
};

// The points as a table.
std::string render_bench(const Json& result, TextStyle style);

}  // namespace hone
