// What sweeps of one model have in common: the settings that say which model, data and training;
// the float model of each seed; the split on which every point is judged.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/model/model.hpp"
#include "hone/recipes/experiment.hpp"
#include "hone/recipes/recipe.hpp"
#include "hone/record/point_events.hpp"

namespace hone {

// Before the keys of a training at each point.
inline constexpr const char* tune_prefix = "tune_";

struct BaseSettings {
  std::filesystem::path folder;
  std::string model;
  bool trains_model = false;  // a built-in model: trained first
  std::string data, tokenizer, split;
  std::vector<std::int64_t> seeds;
  Options float_training, point_training;  // without the seed
  Graph graph;                             // of the float model, whose nodes are selected
};

// The keys of the base: of the model, the data, the float training; and with `prefix` before them
// those of a training at each point, which messages and help call `title`.
std::vector<OptionSpec> base_options(const std::string& prefix, const std::string& title);
// The key 'tokens': of the text whose latency is measured.
OptionSpec latency_tokens_option();
// Throws Error(invalid_argument) naming the file and the key.
BaseSettings read_base_settings(const RecipeCall& call, const std::string& prefix);
// What decides the results: `left_out` keys, seeds and places are not in it.
Json base_identity(const RecipeCall& call, const BaseSettings& settings, const std::string& prefix,
                   const std::set<std::string>& left_out);
// The configuration that a record has, from an identity.
Json base_config(const Json& identity, const BaseSettings& settings);

// The float model of a seed (trained when it is a built-in one) and what points are measured by.
class SweepBase {
public:
  SweepBase(const RecipeCall& call, const BaseSettings& settings, Experiment& experiment,
            const RunWatcher& watcher)
      : call_(call), settings_(settings), experiment_(experiment), watcher_(watcher) {}

  // Goes on to a seed: takes the point of its float model, from which its other points start. A
  // given model has one for all seeds.
  void begin_seed(std::int64_t seed);
  // Whether the model of this seed is its own; false: that of the first seed.
  bool has_own_model() const { return own_model_; }
  // The result of the float model.
  const MeasuredPoint& result() const { return *result_; }
  // The seed that the float model belongs to.
  std::int64_t model_seed() const { return seed_; }

  // Folder of the float model, and the model, loaded when it is asked for.
  std::string model_folder() const;
  const Model& model();

  // Accuracy with its interval and loss on the split, its bytes, which samples are right, and
  // McNemar's p against the float model: what a result has of any point.
  MeasuredPoint measure(const ExperimentPoint& point, const Model& model);
  // What a model costs, measured beside the float model with a text of so many tokens
  // (LatencyOptions); and the bytes of the files in `folder`.
  MeasuredCost cost(const Model& model, const std::filesystem::path& folder, std::int64_t tokens);
  // McNemar's p of two results.
  static double compare(const MeasuredPoint& first, const MeasuredPoint& second);

  // Trains a model for a point, with the settings of the points' training (those that the request
  // has come first); goes on where one that was cut off stopped. Returns the seconds of its steps.
  double train_point(const ExperimentPoint& point, TrainRequest request, std::int64_t seed) const;

  // The model of a record; none where no model was asked for yet.
  std::optional<ModelEvent> describe_model() const;

private:
  ExperimentPoint point_of(std::int64_t seed) const;
  TrainRequest complete(TrainRequest request, const Options& training, std::int64_t seed) const;
  const TokenizedData& data(const Model& model);

  const RecipeCall& call_;
  const BaseSettings& settings_;
  Experiment& experiment_;
  const RunWatcher& watcher_;
  std::int64_t seed_ = 0;
  bool own_model_ = false;
  std::optional<Model> model_;
  std::optional<TokenizedData> data_;
  std::optional<MeasuredPoint> result_;  // of the float model
};

}  // namespace hone
