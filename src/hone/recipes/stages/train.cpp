// train: fine-tunes what the model trains: its weights, behind masks and roundings where it has
// them; or an adapter (lora).
#include <algorithm>

#include <fmt/format.h>

#include "hone/frontends/load_model.hpp"
#include "hone/recipes/experiment.hpp"
#include "hone/recipes/quantize_run.hpp"
#include "hone/recipes/stage.hpp"

namespace hone {
namespace {

std::vector<OptionSpec> options() {
  std::vector<OptionSpec> specs;
  // The others belong to the whole recipe.
  const std::vector<std::string> left_out{"seed",    "trace", "order",      "split",
                                          "threads", "mode",  "max_length", "disable_pass"};
  for (const OptionSpec& spec : train_settings())
    if (std::find(left_out.begin(), left_out.end(), spec.name) == left_out.end())
      specs.push_back(spec);
  return specs;
}

std::string describe(const Options& values) {
  std::string text = values.contains("lora") ? "lora " + values.text("lora") : "train";
  for (const char* name : {"epochs", "steps"})
    if (const auto given = values.values().find(name); given != values.values().end())
      text += fmt::format(", {} {}", to_string(given->second), name);
  return text;
}

double run(const StageCall& call) {
  TrainRequest request;
  request.model = call.model;
  request.data = call.data;
  request.tokenizer = call.tokenizer;
  request.out = call.work;
  request.settings.values = call.training;
  if (call.values.contains("steps")) request.settings.values.erase("epochs");
  if (call.values.contains("epochs")) request.settings.values.erase("steps");
  for (const auto& [key, value] : call.values.values()) request.settings.values.set(key, value);
  request.settings.values.set("seed", call.seed);
  request.settings.data = call.data_settings;
  request.command = call.command;
  const double seconds = train_to_the_end(request, call.watcher);
  save_with_tokenizer(load_model({.name = request.out.string()}), call.out);
  remove_training_weights(request.out);
  return seconds;
}

}  // namespace

Stage stage_train() {
  Stage stage{{"train", "trains what can be trained, or an adapter beside it (lora)", options()}};
  stage.describe = describe;
  stage.run = run;
  return stage;
}

}  // namespace hone
