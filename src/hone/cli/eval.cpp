#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/classifier.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/metric_tables.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/cli/detail/split_data.hpp"
#include "hone/core/json.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/report/numbers.hpp"
#include "hone/run/forward.hpp"

namespace hone {
namespace {

CommandResult run_eval(const CommandInput& input) {
  apply_threads(input);
  const Settings given = command_settings(input, split_settings(), false);
  const DataRequest request = split_request(input, given, "test");
  Classifier classifier = load_classifier(input, request.kind);
  const TokenizedData data = load_split_for(classifier, request);
  Executor forward = make_forward(classifier.model, classifier.mode);
  EvaluateOptions options;
  options.progress = [&](std::int64_t done) {
    console().progress("evaluating", done, data.size(), 0, {.samples = static_cast<double>(done)},
                       "samples");
  };
  options.name_of = [&](std::int64_t sample) {
    return fmt::format("{}: {}: sample {}", classifier.model.name, request.split, sample);
  };
  const Evaluation evaluation = evaluate(forward, samples_of(classifier.model, data), options);
  console().finish();
  TerminalTable table({{request.split, Align::left}, {"", Align::left}});
  add_metrics(table, evaluation);
  table.add_row({"samples", fmt::format("{}", evaluation.samples)});
  const auto rate = [&](std::int64_t amount, const char* unit) {
    return format_count(static_cast<double>(amount) / evaluation.seconds) + unit;
  };
  // (Of pictures a sample is one element.)
  const bool tokens = evaluation.tokens != evaluation.samples;
  table.add_row({"speed", rate(evaluation.samples, " samples/s") +
                              (tokens ? ", " + rate(evaluation.tokens, " tokens/s") : "")});
  table.add_row({"time", format_duration(evaluation.seconds)});
  console().print(table.render(console().style(), 0));
  if (const std::string classes = class_tables(evaluation, console().style(), 0); !classes.empty())
    console().print("\n" + classes);
  Json results = to_json(evaluation, request.split);
  results["tokens"] = evaluation.tokens;
  results["skipped"] = data.skipped;
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
  Command command{{"eval",
                   "measures a model on labelled data: accuracy, F1, confusion matrix, with "
                   "intervals",
                   {}}};
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
  command.run = run_eval;
  return command;
}

}  // namespace hone
