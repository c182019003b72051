#include <cmath>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/classifier.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/interrupt.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/cli/detail/split_data.hpp"
#include "hone/core/json.hpp"
#include "hone/recipes/compare_models.hpp"
#include "hone/recipes/labels.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/report/numbers.hpp"
#include "hone/run/forward.hpp"

namespace hone {
namespace {

constexpr std::int64_t default_samples = 64;
// Rows on the terminal; --json has all.
constexpr std::size_t most_rows = 40;

EvaluateOptions with_progress(const std::string& label, std::int64_t total) {
  EvaluateOptions options;
  options.stop = interrupted;
  options.progress = [label, total](std::int64_t done) {
    console().progress(label, done, total, 0, {.samples = static_cast<double>(done)}, "samples");
  };
  return options;
}

Classifier load(CommandInput input, const std::string& model, const std::string& data_kind) {
  input.arguments["MODEL"] = {model};
  return load_classifier(input, data_kind);
}

// The command for the second model: it reads the tokens of the first.
CommandInput with_tokenizer_of(CommandInput input, const std::string& model,
                               const std::string& data_kind) {
  const std::string source =
      choose_tokenizer(model, input.options.text_or("tokenizer", ""), data_kind).source;
  if (source != "embedded") input.options.set("tokenizer", source);
  return input;
}

std::string decibels(const TensorError& error) {
  return error.is_exact() ? "exact" : fmt::format("{:.1f}", error.sqnr());
}

std::string layer_table(const std::vector<NodeError>& nodes) {
  TerminalTable table({{"node", Align::left},
                       {"op", Align::left},
                       {"format", Align::left},
                       {"weights: SQNR dB", Align::right},
                       {"cosine", Align::right},
                       {"max", Align::right},
                       {"outputs: SQNR dB", Align::right},
                       {"cosine", Align::right},
                       {"max", Align::right}});
  const auto add = [](std::vector<std::string>& cells, const TensorError& error) {
    cells.push_back(decibels(error));
    cells.push_back(error.is_exact() ? "1" : format_significant(error.cosine(), 5));
    cells.push_back(error.is_exact() ? "0" : format_significant(error.largest(), 3));
  };
  for (std::size_t i = 0; i < std::min(nodes.size(), most_rows); ++i) {
    const NodeError& node = nodes[i];
    std::vector<std::string> cells{node.node, node.op, node.format};
    if (node.parameters.empty())
      cells.insert(cells.end(), 3, "");
    else
      add(cells, node.weights);
    add(cells, node.output);
    table.add_row(std::move(cells));
  }
  std::string text =
      table.render(console().style(), console().output_terminal() ? console().width() : 0);
  if (nodes.size() > most_rows)
    text +=
        fmt::format("and {} nodes with less error (--json has all)\n", nodes.size() - most_rows);
  return text;
}

std::string verdict(const PairedTest& test, const std::string& a, const std::string& b) {
  if (!test.differs()) return "no difference detected";
  return (test.only_first > test.only_second ? a : b) + " is better";
}

CommandResult run_compare(const CommandInput& input) {
  apply_threads(input);
  const Settings given = command_settings(input, split_settings(), false);
  const DataRequest request = split_request(input, given, "test");
  const std::string a = input.argument("A"), b = input.argument("B");
  const Classifier first = load(input, a, request.kind);
  const Classifier second = load(with_tokenizer_of(input, a, request.kind), b, request.kind);
  check_same_architecture(first.model, second.model);
  catch_interrupts();
  const TokenizedData data = load_split_for(first, request);
  require_classes(data, first.model.name);
  const std::int64_t samples =
      std::min(input.options.integer_or("samples", default_samples), data.size());
  std::vector<Evaluation> evaluations;
  // Each is asked for its own classes, whatever their order.
  std::vector<TokenizedData> own_data{data, data};
  match_labels(own_data[1], second.model, request, {});
  std::vector<std::vector<bool>> correct;
  for (const Classifier* one : {&first, &second}) {
    const TokenizedData& own = own_data[evaluations.size()];
    Executor forward = make_forward(one->model, one->mode);
    EvaluateOptions options = with_progress("evaluating " + one->model.name, own.size());
    options.name_of = [&](std::int64_t sample) {
      return fmt::format("{}: sample {}", one->model.name, sample);
    };
    evaluations.push_back(evaluate(forward, samples_of(one->model, own), options));
    correct.push_back(correct_samples(evaluations.back(), own));
  }
  const std::vector<NodeError> nodes =
      compare_layers(first.model, second.model, samples_of(first.model, data), samples,
                     with_progress("comparing", samples));
  const PairedTest test = compare_correct(correct[0], correct[1]);
  console().finish();

  TerminalTable table({{request.split, Align::left},
                       {"accuracy (95 % interval)", Align::right},
                       {"loss", Align::right},
                       {"right alone", Align::right},
                       {"bytes", Align::right}});
  Json models = Json::array();
  for (std::size_t i = 0; i < 2; ++i) {
    const Model& model = (i == 0 ? first : second).model;
    const Evaluation& e = evaluations[i];
    table.add_row({model.name, format_interval(e.accuracy, e.interval.low, e.interval.high),
                   format_significant(e.loss),
                   fmt::format("{}", i == 0 ? test.only_first : test.only_second),
                   format_bytes(static_cast<double>(tensor_bytes(model)))});
    models.push_back(to_json(e, request.split));
    models.back()["model"] = model.name;
    models.back()["bytes"] = tensor_bytes(model);
  }
  const std::string result = verdict(test, a, b);
  const std::string finding =
      fmt::format("McNemar's test ({}): p {}: {} (n = {})", test.exact ? "exact" : "chi-square",
                  (test.p < 1e-4 ? "" : "= ") + format_p(test.p), result, data.size());
  console().print(layer_table(nodes) + "\n" + table.render(console().style(), 0) +
                  terminal_text(finding, console().style()) + "\n");
  Json results{{"samples", samples},
               {"models", models},
               {"mcnemar",
                {{"only_a", test.only_first},
                 {"only_b", test.only_second},
                 {"exact", test.exact},
                 {"p", test.p},
                 {"verdict", result}}}};
  for (const NodeError& node : nodes) results["nodes"].push_back(to_json(node));
  return {0, results};
}

}  // namespace

Command command_compare() {
  Command command{
      {"compare", "shows where two models of one architecture differ, layer by layer", {}}};
  command.options = split_flags("test");
  command.options.push_back({.name = "samples",
                             .type = OptionType::integer,
                             .default_value = default_samples,
                             .help = "texts on which the layers' outputs are compared",
                             .minimum = 1,
                             .maximum = 1e9});
  for (OptionSpec& spec : classifier_flags()) command.options.push_back(std::move(spec));
  command.arguments = {{"A", "a model folder"},
                       {"B", "another, such as the --out of hone quantize"}};
  command.placeholders = {
      {"data", "DATA"}, {"tokenizer", "DIR"}, {"split", "SPLIT"}, {"mode", "MODE"}};
  command.required = {"data"};
  command.settings = split_settings();
  command.settings_note = "Also options of the data (data.test_samples=1000; hone list datasets).";
  command.examples = {"hone compare runs/imdb runs/int8 --data imdb:aclImdb_v1.tar.gz"};
  command.run = run_compare;
  return command;
}

}  // namespace hone
