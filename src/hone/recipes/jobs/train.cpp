// train: one model on one data set with several seeds; the accuracy on a split that is touched
// once.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/recipes/detail/recipe_keys.hpp"
#include "hone/recipes/experiment.hpp"
#include "hone/recipes/recipe.hpp"
#include "hone/report/mean_interval.hpp"

namespace hone {
namespace {
namespace train_recipe {

namespace fs = std::filesystem;

constexpr const char* result_file = "result.json";

std::vector<OptionSpec> options() {
  std::vector<OptionSpec> specs{
      {.name = "name", .default_value = {}, .help = "of the folder the results go to"},
      {.name = "model", .default_value = {}, .help = "a folder or a built-in name"},
      {.name = "data", .default_value = {}, .help = "the data set, as --data takes it"},
      {.name = "tokenizer", .default_value = "", .help = "folder or file of the tokenizer"},
      {.name = "seeds", .default_value = "0", .help = "list of seeds; one run each"},
      {.name = "evaluate",
       .default_value = "test",
       .help = "the split each run is judged on at its end",
       .choices = {"test", "none"}},
      {.name = "out", .default_value = "runs", .help = "folder of all runs"}};
  for (const OptionSpec& spec : train_settings())
    // One of these for each run would be overwritten by the next.
    if (spec.name != "seed" && spec.name != "trace") specs.push_back(spec);
  return specs;
}

// What decides the results, seeds aside.
Json identity(const RecipeCall& call) {
  Json json = Json::object();
  for (const auto& [key, value] : call.settings.values.values())
    if (key != "seeds" && key != "out" && key != "name") json["settings"][key] = to_string(value);
  for (const auto& [key, value] : call.settings.model) json["model"][key] = value;
  for (const auto& [key, value] : call.settings.data) json["data"][key] = value;
  return json;
}

Json train_seed(const RecipeCall& call, std::int64_t seed, const fs::path& out,
                const RunWatcher& watcher) {
  if (watcher.say) watcher.say(fmt::format("seed {}", seed));
  TrainRequest request;
  request.model = required_key(call, "model");
  request.data = required_key(call, "data");
  request.tokenizer = call.settings.values.text_or("tokenizer", "");
  request.out = out;
  request.settings = call.settings;
  Options training;
  for (const auto& [key, value] : call.settings.values.values()) {
    const auto& known = train_settings();
    if (std::any_of(known.begin(), known.end(),
                    [&, &name = key](const OptionSpec& spec) { return spec.name == name; }))
      training.set(key, value);
  }
  training.set("seed", seed);
  request.settings.values = training;
  const std::string split = call.settings.values.text_or("evaluate", "test");
  request.evaluate_split = split == "none" ? "" : split;
  request.command = call.command;
  request.resume = fs::exists(out / "record.jsonl");
  const TrainOutcome outcome = run_training(request, watcher);
  if (!outcome.result.finished)
    throw Error(ErrorCode::interrupted,
                fmt::format("seed {}: stopped at step {} of {}, saved", seed, outcome.result.steps,
                            outcome.total_steps),
                "run the recipe again to continue");
  return to_json(outcome, out);
}

// The evaluation of the model that a run left: on the test split, else on validation; null: none.
Json judgement_of(const Json& run) {
  const bool best = run.value("kept", "last") == "best";
  for (const char* part : {"test", best ? "best" : "validation"})
    if (run.contains(part)) return run.at(part);
  return nullptr;
}

Json run(const RecipeCall& call, const RunWatcher& watcher) {
  const fs::path folder = result_folder(call);
  Json result{{"recipe", call.file}, {"runs", Json::array()}};
  std::vector<double> accuracies;
  std::string split;
  required_key(call, "model");
  required_key(call, "data");
  const std::vector<std::int64_t> seeds = number_list(call, "seeds", "0", 0);
  // Each run has a record of its own.
  Experiment experiment({.folder = folder,
                         .identity = identity(call),
                         .event = "",
                         .recipe = call.file,
                         .command = call.command,
                         .config = {}},
                        watcher);
  for (std::int64_t seed : seeds) {
    const Json one = experiment.take(
        {fmt::format("seed-{}", seed), fmt::format("seed {}", seed), {{"seed", seed}}},
        [&](const fs::path& out) { return train_seed(call, seed, out, watcher); });
    const Json judged = judgement_of(one);
    if (!judged.is_null()) {
      split = judged.at("split").text();
      accuracies.push_back(judged.at("accuracy").get<double>());
    }
    result["runs"].push_back(one);
    result["runs"].back()["judged"] = judged;
  }
  if (!accuracies.empty()) {
    // One run has only the interval of its own samples.
    const Json& first = result["runs"][0].at("judged");
    const MeanInterval mean = mean_interval(accuracies);
    const bool single = accuracies.size() == 1;
    result["split"] = split;
    result["accuracy"] = mean.mean;
    result["low"] =
        single ? first.at("low").get<double>() : std::max(0.0, mean.mean - mean.half_width);
    result["high"] =
        single ? first.at("high").get<double>() : std::min(1.0, mean.mean + mean.half_width);
  }
  write_file_atomically(folder / result_file, result.dump(1) + "\n");
  result["out"] = folder.string();
  return result;
}

}  // namespace train_recipe
}  // namespace

Recipe recipe_train() {
  using namespace train_recipe;
  Recipe recipe{
      {"train", "trains a text classifier with several seeds and evaluates each once", options()}};
  recipe.model_sizes = true;
  recipe.run = run;
  return recipe;
}

}  // namespace hone
