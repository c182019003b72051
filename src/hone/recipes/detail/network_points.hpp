// The experiment points of a search over networks, in FOLDER/points, one folder a configuration:
//
//   result.json   what it came to
//   model/        while it is among the best (keep_models = "all": always)
//   training/     while it runs: a trial that is taken over goes on from there
//   stage-N/      the same, of its stages
//   test.json     of a winner: judged once on the test split
//
// Studies of one search file share them, and so do any number of workers.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "hone/recipes/detail/network_configuration.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/search/objective.hpp"

namespace hone {

class NetworkPoints {
public:
  NetworkPoints(const SearchSettings& settings, const RunWatcher& watcher)
      : settings_(settings), watcher_(watcher), contents_(settings) {}

  std::string name_of(const NetworkConfiguration& configuration) const;
  std::filesystem::path folder_of(const std::string& point) const;

  // {"identity", "metrics": {name: value}, "intervals": {name: [low, high]}}, computed before or
  // now. Nothing where the trial was stopped.
  struct Point {
    Json result;
    bool was_there = false;
  };
  std::optional<Point> take(const NetworkConfiguration& configuration, TrialWatcher& trial) const;

  // {"accuracy", "low", "high", "loss", "model"} of the test split, of the point that a trial is
  // of, or where that has no model any more, of its configuration, which is computed again. Once.
  Json judge(const std::string& point, const NetworkConfiguration& configuration,
             TrialWatcher& trial) const;

  // The folder of the model alone; false: there was none, or a worker is at it.
  bool drop_model(const std::string& point) const;
  // Some study's winner.
  bool is_judged(const std::string& point) const;
  // What a trial that failed leaves beside its record: checkpoints and stages.
  void drop_rest(const std::string& point) const;

private:
  std::optional<Json> compute(const NetworkConfiguration& configuration,
                              const std::filesystem::path& folder, TrialWatcher& trial) const;
  bool train(const NetworkConfiguration& configuration, const std::filesystem::path& folder,
             TrialWatcher& trial) const;
  bool begin_stages(const NetworkConfiguration& configuration, const std::filesystem::path& folder,
                    TrialWatcher& trial) const;
  Json measure(const NetworkConfiguration& configuration, Model& model,
               const std::filesystem::path& folder) const;

  const SearchSettings& settings_;
  const RunWatcher& watcher_;
  mutable SearchContents contents_;  // (What was read is remembered.)
};

// A model of a search on one of the splits of its data.
Evaluation evaluate_split(const SearchSettings& search, const NetworkConfiguration& configuration,
                          const Model& model, const std::string& split, const RunWatcher& watcher);
}  // namespace hone
