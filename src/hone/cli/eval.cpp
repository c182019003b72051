#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/classifier.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/cli/detail/split_data.hpp"
#include "hone/core/json.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/report/numbers.hpp"

namespace hone {
namespace {

CommandResult run(const CommandInput& input) {
  apply_threads(input);
  const Settings given = command_settings(input, split_settings(), false);
  const DataRequest request = split_request(input, given, "test");
  Classifier classifier =
      load_classifier(input, request.kind, given.values.text_or("padding", "saved"));
  const TokenizedData data = load_split_for(classifier, request);
  Executor forward = make_forward(classifier.model, classifier.mode);
  EvaluateOptions options;
  options.progress = [&](std::int64_t done) {
    console().progress("evaluating", done, data.size(), 0, {.samples = static_cast<double>(done)},
                       "samples");
  };
  const Evaluation evaluation = evaluate(forward, data, options);
  console().finish();
  TerminalTable table({{request.split, Align::left}, {"", Align::left}});
  table.add_row(
      {"accuracy (95 % interval)",
       format_interval(evaluation.accuracy, evaluation.interval.low, evaluation.interval.high)});
  table.add_row({"loss", format_significant(evaluation.loss)});
  table.add_row({"samples", fmt::format("{}", evaluation.samples)});
  table.add_row(
      {"speed", format_count(static_cast<double>(evaluation.samples) / evaluation.seconds) +
                    " samples/s, " +
                    format_count(static_cast<double>(evaluation.tokens) / evaluation.seconds) +
                    " tokens/s"});
  table.add_row({"time", format_duration(evaluation.seconds)});
  console().print(table.render(console().style(), 0));
  Json results = to_json(summarize_evaluation(evaluation, request.split));
  results["tokens"] = evaluation.tokens;
  results["peak_bytes"] = peak_memory();
  for (const KernelTiming& timing : forward.timings())
    results["kernels"].push_back({{"kernel", timing.kernel},
                                  {"calls", timing.calls},
                                  {"seconds", timing.seconds},
                                  {"flop", timing.flop}});
  return {0, results};
}

}  // namespace

Command command_eval() {
  Command command{{"eval", "measures the accuracy of a model on labelled data", {}}};
  command.options = split_flags("test");
  for (OptionSpec& spec : classifier_flags()) command.options.push_back(std::move(spec));
  command.arguments = {{"MODEL", "a model folder, such as the --out of hone train"}};
  command.placeholders = {
      {"data", "DATA"}, {"tokenizer", "DIR"}, {"split", "SPLIT"}, {"mode", "MODE"}};
  command.required = {"data"};
  command.settings = split_settings();
  command.settings_note = "Also options of the data (data.test_samples=1000; hone list datasets).";
  command.examples = {
      "hone eval runs/first --data reviews",
      "hone eval runs/imdb --data imdb:aclImdb_v1.tar.gz --split test --json result.json"};
  command.run = run;
  return command;
}

}  // namespace hone
