#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/detail/classifier.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/core/error.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/report/numbers.hpp"

namespace hone {
namespace {

const std::vector<OptionSpec>& settings() {
  static const std::vector<OptionSpec> specs{
      padding_setting(),
      {.name = "validation",
       .type = OptionType::real,
       .default_value = 0.1,
       .help = "with --split validation: the share of train it is",
       .minimum = 1e-6,
       .maximum = 0.9},
      {.name = "seed",
       .type = OptionType::integer,
       .default_value = std::int64_t{0},
       .help = "with --split validation: the seed of the training run",
       .minimum = 0}};
  return specs;
}

DataRequest data_request(const CommandInput& input, const Settings& given) {
  DataRequest request = make_data_request(input.options.text("data"), given.data);
  request.split = input.options.text_or("split", "test");
  const bool validation = request.split == "validation";
  for (const char* name : {"validation", "seed"})
    if (!validation && given.values.contains(name))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{} changes nothing on the split {}", name, request.split),
                  "leave it out, or use --split validation");
  if (validation) request.validation = given.values.real_or("validation", 0.1);
  request.seed = static_cast<std::uint64_t>(given.values.integer_or("seed", 0));
  return request;
}

CommandResult run(const CommandInput& input) {
  apply_threads(input);
  const Settings given = command_settings(input, settings(), false);
  DataRequest request = data_request(input, given);
  Classifier classifier =
      load_classifier(input, request.kind, given.values.text_or("padding", "saved"));
  request.max_length = classifier.max_length;
  const auto show = [](const char* what, std::int64_t done, std::int64_t total) {
    console().progress(what, done, total, 0, {.samples = static_cast<double>(done)}, "samples");
  };
  const TokenizedData data = load_tokenized(
      request, classifier.tokenizer,
      [&](std::int64_t done, std::int64_t total) { show("tokenizing", done, total); });
  check_lengths(classifier.model.config, data);
  Executor forward = make_forward(classifier.model, classifier.mode);
  EvaluateOptions options;
  options.progress = [&](std::int64_t done) { show("evaluating", done, data.size()); };
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
  nlohmann::json results = to_json(summarize_evaluation(evaluation, request.split));
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
  OptionSpec split{.name = "split", .default_value = "test", .help = "which part of the data"};
  split.choices = {"train", "validation", "test"};
  command.options = {{.name = "data",
                      .default_value = {},
                      .help = "reviews, imdb:PATH, csv:FILE, tsv:FILE or jsonl:FILE"},
                     std::move(split)};
  for (OptionSpec& spec : classifier_flags()) command.options.push_back(std::move(spec));
  command.arguments = {{"MODEL", "a model folder, such as the --out of hone train"}};
  command.placeholders = {
      {"data", "DATA"}, {"tokenizer", "DIR"}, {"split", "SPLIT"}, {"mode", "MODE"}};
  command.required = {"data"};
  command.settings = settings();
  command.settings_note = "Also options of the data (data.samples=1000; hone list datasets).";
  command.examples = {
      "hone eval runs/first --data reviews",
      "hone eval runs/imdb --data imdb:aclImdb_v1.tar.gz --split test --json result.json"};
  command.run = run;
  return command;
}

}  // namespace hone
