#include <algorithm>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/classifier.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/interrupt.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/cli/detail/split_data.hpp"
#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/passes/batch_norm.hpp"
#include "hone/passes/format_checks.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/select_formats.hpp"
#include "hone/recipes/compare_models.hpp"
#include "hone/recipes/labels.hpp"
#include "hone/recipes/train_run.hpp"
#include "hone/report/numbers.hpp"
#include "hone/run/forward.hpp"

namespace hone {
namespace {

constexpr const char* default_split = "validation";

struct Row {
  std::string name;
  Evaluation evaluation;
  std::int64_t bytes = 0;
  PairedTest test;  // float against this
};

// Settings of the data and the split; the rest are keys of the format.
struct Parted {
  Settings split;
  TextSettings format;
};

Parted part(const CommandInput& input) {
  CommandInput own = input;
  own.settings.clear();
  Parted parted;
  for (const auto& [key, value] : input.settings) {
    const auto& known = split_settings();
    const bool split =
        key.rfind("data.", 0) == 0 ||
        std::any_of(known.begin(), known.end(),
                    [name = key](const OptionSpec& spec) { return spec.name == name; });
    (split ? own.settings : parted.format).emplace_back(key, value);
  }
  parted.split = command_settings(own, split_settings(), false);
  return parted;
}

// The model with these nodes quantized, packed as it would be stored.
Model quantized(const Model& model, const Quantization& nodes) {
  Model copy = model;
  fold_batch_norm(copy, nodes);
  set_formats(copy, nodes);
  pack_weights(copy);
  return copy;
}

void add_row(TerminalTable& table, const Row& row, const Row& base) {
  const bool is_base = &row == &base;
  const Evaluation& e = row.evaluation;
  table.add_row(
      {row.name, format_interval(e.accuracy, e.interval.low, e.interval.high),
       is_base ? "" : fmt::format("{:+.2f}", 100 * (e.accuracy - base.evaluation.accuracy)),
       is_base ? "" : format_p(row.test.p), format_significant(e.loss),
       format_bytes(static_cast<double>(row.bytes))});
}

Json row_json(const Row& row, const std::string& split, bool is_base) {
  Json json = to_json(row.evaluation, split);
  json["bytes"] = row.bytes;
  if (!is_base) json["p"] = row.test.p;
  return json;
}

CommandResult run_sensitivity(const CommandInput& input) {
  apply_threads(input);
  const Parted parted = part(input);
  const DataRequest request = split_request(input, parted.split, default_split);
  const Classifier classifier = load_classifier(input, request.kind);
  const Model& model = classifier.model;
  if (!formats_of(model.graph).empty())
    throw Error(ErrorCode::invalid_argument,
                input.argument("MODEL") + ": is quantized already: the float model is needed",
                "hone quantize MODEL --dequantize makes one");
  const Quantization nodes =
      select_formats(model.graph, {{input.options.text_or("nodes", layers_selection),
                                    input.options.text("format"), parted.format}});
  refuse_untrained(nodes);
  refuse_unsigned_data(model.graph, nodes);
  catch_interrupts();
  const TokenizedData data = load_split_for(classifier, request);
  require_classes(data, classifier.model.name);

  const auto rounds = static_cast<std::int64_t>(nodes.size()) + 2;
  std::int64_t round = 0;
  std::vector<bool> float_correct;
  const auto measure = [&](const std::string& name, const Model& one) {
    Executor forward = make_forward(one, classifier.mode);
    EvaluateOptions options;
    options.stop = interrupted;
    options.progress = [&](std::int64_t done) {
      const std::int64_t all = round * data.size() + done;
      console().progress("evaluating each node", all, rounds * data.size(), 0,
                         {.samples = static_cast<double>(all)}, "samples");
    };
    options.name_of = [&](std::int64_t sample) {
      return fmt::format("{}: sample {}", name, sample);
    };
    Row row{name,
            evaluate(forward, samples_of(classifier.model, data), options),
            tensor_bytes(one),
            {}};
    const std::vector<bool> correct = correct_samples(row.evaluation, data);
    if (float_correct.empty()) float_correct = correct;
    row.test = compare_correct(float_correct, correct);
    row.evaluation.logits = {};
    ++round;
    return row;
  };
  const Row base = measure("float32", model);
  const Row all = measure("all of these nodes", quantized(model, nodes));
  std::vector<Row> rows;
  for (const NodeFormats& node : nodes)
    rows.push_back(measure(node.node, quantized(model, {node})));
  console().finish();
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    if (a.evaluation.correct != b.evaluation.correct)
      return a.evaluation.correct < b.evaluation.correct;
    return a.evaluation.loss > b.evaluation.loss;
  });

  TerminalTable table({{"only this node quantized", Align::left},
                       {request.split + " accuracy (95 % interval)", Align::right},
                       {"points", Align::right},
                       {"p (McNemar)", Align::right},
                       {"loss", Align::right},
                       {"bytes", Align::right}});
  Json results{{"split", request.split},
               {"float", row_json(base, request.split, true)},
               {"all", row_json(all, request.split, false)},
               {"nodes", Json::array()}};
  for (const Row& row : rows) {
    add_row(table, row, base);
    results["nodes"].push_back(row_json(row, request.split, false));
    results["nodes"].back()["node"] = row.name;
  }
  table.add_rule();
  add_row(table, all, base);
  add_row(table, base, base);
  console().print(table.render(console().style(), 0));
  return {0, results};
}

}  // namespace

Command command_sensitivity() {
  Command command{
      {"sensitivity", "shows what each node costs: the model with that node alone quantized", {}}};
  command.options = split_flags(default_split);
  command.options.push_back(
      {.name = "format", .default_value = {}, .help = "number format (hone format list)"});
  command.options.push_back(
      {.name = "nodes",
       .default_value = layers_selection,
       .help =
           "which to try: op types, names of nodes, layers or parameters, or regular expressions, "
           "separated by commas"});
  for (OptionSpec& spec : classifier_flags()) command.options.push_back(std::move(spec));
  command.arguments = {{"MODEL", "a model folder, not quantized"}};
  command.placeholders = {{"data", "DATA"}, {"tokenizer", "DIR"}, {"split", "SPLIT"},
                          {"mode", "MODE"}, {"format", "NAME"},   {"nodes", "PATTERNS"}};
  command.required = {"format", "data"};
  command.settings = split_settings();
  command.settings_note =
      "Also options of the data (data.samples=1000) and of the format, for all slots (width=4) or "
      "one (weight_width=4, bias_format=none); hone format show NAME lists them.";
  command.examples = {
      "hone sensitivity runs/imdb --format integer --set width=6 --data imdb:aclImdb_v1.tar.gz"};
  command.run = run_sensitivity;
  return command;
}

}  // namespace hone
