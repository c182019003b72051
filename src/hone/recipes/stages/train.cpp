// train: fine-tunes what the model trains: its weights, behind masks and roundings where it has
// them; or an adapter (lora).
#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/recipes/experiment.hpp"
#include "hone/recipes/lora_choice.hpp"
#include "hone/recipes/quantize_run.hpp"
#include "hone/recipes/stage.hpp"
#include "hone/train/options.hpp"

namespace hone {
namespace {
namespace train_stage {

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

// The settings of the recipe's trainings with those of the stage in their place.
Options settings_of(const Options& training, const Options& values) {
  Options settings = training;
  if (values.contains("steps")) settings.erase("epochs");
  if (values.contains("epochs")) settings.erase("steps");
  for (const auto& [key, value] : values.values()) settings.set(key, value);
  return settings;
}

void check(const StageCheck& call) {
  at_place(call.where, [&] {
    // (Those of the recipe give way to the stage's.)
    if (call.values.contains("epochs") && call.values.contains("steps"))
      throw Error(ErrorCode::invalid_argument, "epochs and steps are both given",
                  "give one of them");
    make_train_options(settings_of(call.training, call.values));
    if (call.values.contains("lora")) check_lora(call.graph, parse_lora(call.values.text("lora")));
  });
}

double run(const StageCall& call) {
  TrainRequest request;
  request.model = call.model;
  request.data = call.data;
  request.tokenizer = call.tokenizer;
  request.out = call.work;
  request.settings.values = settings_of(call.training, call.values);
  request.settings.values.set("seed", call.seed);
  request.settings.data = call.data_settings;
  request.command = call.command;
  const double seconds = train_to_the_end(request, call.watcher);
  save_with_tokenizer(load_model({.name = request.out.string()}), call.out);
  remove_training_weights(request.out);
  return seconds;
}

}  // namespace train_stage
}  // namespace

Stage stage_train() {
  using namespace train_stage;
  Stage stage{{"train", "trains what can be trained, or an adapter beside it (lora)", options()}};
  stage.check = check;
  stage.describe = describe;
  stage.run = run;
  return stage;
}

}  // namespace hone
