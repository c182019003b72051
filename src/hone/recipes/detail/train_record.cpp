#include "hone/recipes/detail/train_record.hpp"

#include "hone/core/json.hpp"
#include "hone/passes/dropout.hpp"
#include "hone/passes/learned_steps.hpp"
#include "hone/passes/packing.hpp"
#include "hone/recipes/detail/run_record.hpp"
#include "hone/recipes/quantized_summary.hpp"

namespace hone {
namespace {

Json configuration(const TrainRequest& request, const TrainInputs& inputs,
                   const TrainOptions& options) {
  const Options& settings = request.settings.values;
  Json config = describe(options);
  // Below zero means "as the model says": a record holds what was computed with.
  const DropoutRates rates = dropout_rates(inputs.model.graph);
  if (options.hidden_dropout < 0) config["hidden_dropout"] = rates.hidden;
  if (options.attention_dropout < 0) config["attention_dropout"] = rates.attention;
  if (options.classifier_dropout < 0) config["classifier_dropout"] = rates.classifier;
  config["model"] = request.model;
  config["task"] = inputs.model.task;
  config["data"] = request.data;
  config["split"] = inputs.request.split;
  config["tokenizer"] = inputs.tokenizer_source;
  if (settings.contains("lora")) config["lora"] = settings.text("lora");
  config["fresh_head"] = settings.boolean_or("fresh_head", false);
  config["max_length"] = inputs.request.max_length;
  config["validation"] = inputs.request.validation;
  config["train_samples"] = inputs.data.size();
  config["validation_samples"] = inputs.validation.size();
  config["skipped_rows"] = inputs.data.skipped;
  config["pairs"] = !inputs.data.type_ids.empty();
  config["keep"] = keeps_best(options, inputs.has_validation()) ? "best" : "last";
  if (inputs.has_validation()) config["metric"] = metric_of(find_task(inputs.model.task), options);
  for (const auto& [key, value] : request.settings.model) config["model_settings"][key] = value;
  for (const auto& [key, value] : request.settings.data) config["data_settings"][key] = value;
  return config;
}

// The keys of the configuration that are not at their default.
std::vector<std::string> changed(const Settings& settings) {
  std::vector<std::string> keys;
  for (const auto& [name, value] : settings.values.values()) {
    const OptionSpec& spec = find_option(train_settings(), name, "settings");
    if (spec.default_value != value) keys.push_back(name);
  }
  for (const auto& [key, value] : settings.model) keys.push_back("model_settings." + key);
  for (const auto& [key, value] : settings.data) keys.push_back("data_settings." + key);
  return keys;
}

}  // namespace

void write_run(Record& record, const TrainRequest& request, const TrainInputs& inputs,
               const TrainOptions& options) {
  RunEvent run = begin_run(request.command, configuration(request, inputs, options));
  run.changed = changed(request.settings);
  const Model& model = inputs.model;
  begin_record(record, run, model_event(request.model, model, inputs.mean_length()));
  if (formats_of(model.graph).empty()) return;
  QuantizedEvent event = describe_quantized(model);
  event.bytes_before = 4 * event.parameters;
  event.bytes_after = static_cast<double>(packed_bytes(model));
  event.learned_steps = static_cast<double>(learned_steps(model.graph).size());
  record.write(event);
}

}  // namespace hone
