#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/metric_tables.hpp"
#include "hone/cli/detail/program.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/cli/detail/watch.hpp"
#include "hone/recipes/lora_choice.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/report/numbers.hpp"

namespace hone {
namespace {

std::string summary_table(const TrainOutcome& outcome, const std::filesystem::path& out) {
  const TrainResult& r = outcome.result;
  TerminalTable table({{"training", Align::left}, {"", Align::left}});
  const auto rate = [&](double amount, const char* unit) {
    return format_count(amount / r.train_seconds) + unit;
  };
  table.add_row(
      {"steps", fmt::format("{} of {}{}", r.steps, outcome.total_steps,
                            r.out_of_patience ? " (no evaluation was better: out of patience)"
                            : r.finished      ? ""
                                              : " (stopped)")});
  if (r.samples > 0) {
    table.add_row({"loss of the last step", format_significant(r.last_loss)});
    // (Of pictures a sample is one element.)
    const std::string tokens =
        r.tokens == r.samples ? "" : rate(static_cast<double>(r.tokens), " tokens/s, ");
    table.add_row({"speed", rate(static_cast<double>(r.samples), " samples/s, ") + tokens +
                                rate(r.flop, "FLOP/s")});
  }
  for (const auto& [name, evaluation] :
       {std::pair{"validation", &r.validation}, std::pair{"best validation", &r.best},
        std::pair{"test", &outcome.test}})
    if (*evaluation) add_main_metrics(table, **evaluation, name);
  table.add_row({"time", format_duration(outcome.seconds)});
  table.add_row({"peak memory", format_bytes(static_cast<double>(outcome.peak_bytes))});
  table.add_row({"saved in", r.finished ? out.string() : (out / "last").string()});
  if (r.finished)
    table.add_row(
        {"it holds", fmt::format("the {} model, of step {} (epoch {})",
                                 r.kept_best ? "best" : "last", r.kept_step, r.kept_epoch)});
  if (r.best)
    table.add_row({"beside it", "best/: the best model on validation; last/: the last, to resume"});
  return table.render(console().style(), 0);
}

// The keys of --lora.
std::string lora_note() {
  std::string text = "Keys of --lora:";
  for (const OptionSpec& key : lora_keys()) {
    text += fmt::format(" {} ({}", key.name, key.help);
    if (const std::string value = key.default_value ? to_string(*key.default_value) : "";
        !value.empty())
      text += "; default: " + value;
    text += &key == &lora_keys().back() ? ")." : "),";
  }
  return text;
}

CommandResult run_train(const CommandInput& input) {
  TrainRequest request;
  request.model = input.argument("MODEL");
  request.data = input.options.text("data");
  request.out = input.options.text("out");
  request.tokenizer = input.options.text_or("tokenizer", "");
  request.resume = input.options.boolean_or("resume", false);
  request.overwrite = input.options.boolean_or("overwrite", false);
  if (request.resume && request.overwrite)
    throw UsageError("--resume and --overwrite are both given", "give one of them");
  request.settings = command_settings(input, train_settings(), true);
  request.command = input.line;
  const TrainOutcome outcome = run_training(request, console_watcher());
  console().finish();
  console().print(summary_table(outcome, request.out));
  if (!outcome.result.finished)
    console().note("stopped and saved; the same command with --resume continues");
  return {outcome.result.finished ? 0 : exit_interrupted, to_json(outcome, request.out)};
}

}  // namespace

Command command_train() {
  Command command{{"train", "trains a model, or goes on training one", {}}};
  command.options = {
      {.name = "data",
       .default_value = {},
       .help = "what to train on: reviews, imdb:PATH, csv:FILE, tsv:FILE, json:FILE or jsonl:FILE; "
               "of pictures shapes, cifar10:PATH, mnist:DIR or images:DIR"},
      {.name = "out",
       .default_value = {},
       .help = "folder of the results: the model that --keep asks for; last/, the newest "
               "checkpoint; best/, the best on validation; record.jsonl"},
      {.name = "tokenizer",
       .default_value = {},
       .help = "folder or file of the tokenizer; default: the model's own, for reviews the "
               "embedded one"}};
  for (OptionSpec& spec : pick(train_settings(), train_flags()))
    command.options.push_back(std::move(spec));
  command.options.push_back({.name = "resume",
                             .type = OptionType::boolean,
                             .default_value = {},
                             .help = "continue the run in --out where its last checkpoint is; a "
                                     "finished one with more --epochs or --steps"});
  command.options.push_back({.name = "overwrite",
                             .type = OptionType::boolean,
                             .default_value = {},
                             .help = "replace the run that is in --out"});
  command.arguments = {{"MODEL", "a model folder, or a built-in name (hone list models)"}};
  command.placeholders = {{"data", "DATA"},  {"out", "DIR"},    {"tokenizer", "DIR"},
                          {"order", "FILE"}, {"trace", "FILE"}, {"split", "SPLIT"},
                          {"lora", "KEYS"}};
  command.required = {"data", "out"};
  command.settings = leave_out(train_settings(), train_flags());
  command.settings_note =
      "Also the sizes of a built-in model (hidden_size=256, num_hidden_layers=4, ...) and options "
      "of "
      "the data (data.samples=1000; hone list datasets). " +
      lora_note();
  command.examples = {
      "hone train bert-tiny --data reviews --out runs/first",
      "hone train bert-mini --data imdb:aclImdb_v1.tar.gz --tokenizer bert-base-uncased --out "
      "runs/imdb",
      "hone train runs/first --data csv:mine.csv --set data.text=comment --out runs/mine",
      "hone train small-cnn --data shapes --flip --out runs/shapes",
      "hone train runs/first --data reviews --lora rank=8,alpha=16,dropout=0.1,targets=query+value "
      "--out runs/adapted"};
  command.run = run_train;
  return command;
}

}  // namespace hone
