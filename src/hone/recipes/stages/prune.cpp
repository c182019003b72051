// prune: masks what matters least.
#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/passes/prune.hpp"
#include "hone/recipes/detail/pruning_keys.hpp"
#include "hone/recipes/stage.hpp"

namespace hone {
namespace {
namespace prune_stage {

std::vector<OptionSpec> options() {
  std::vector<OptionSpec> specs = pruning_keys();
  const OptionSpec share{.name = "",
                         .type = OptionType::real,
                         .default_value = {},
                         .help = "",
                         .minimum = 0,
                         .maximum = 1};
  OptionSpec sparsity = share, activations = share;
  sparsity.name = "sparsity";
  sparsity.help = "share of the weights that goes";
  activations.name = "activations";
  activations.help = "share of the numbers of each token that the nodes read and that goes";
  const std::vector<OptionSpec> own{
      sparsity,
      activations,
      {.name = "budget", .default_value = {}, .help = "instead: a TOML file of [[prune]]"},
      {.name = "samples",
       .type = OptionType::integer,
       .default_value = std::int64_t{128},
       .help = "that methods look at which need data",
       .minimum = 1,
       .maximum = 1e9},
      {.name = "remove",
       .type = OptionType::boolean,
       .default_value = false,
       .help = "take structures of zeros out"}};
  specs.insert(specs.end(), own.begin(), own.end());
  return specs;
}

PruneRequest request_of(const Options& values, const std::string& where) {
  PruneRequest request = read_pruning_keys(values, where);
  PruneSelection selection = std::move(request.selections.front());
  request.selections.clear();
  if (values.contains("sparsity")) selection.sparsity = values.real("sparsity");
  if (values.contains("budget"))
    request.selections = load_budget_file(values.text("budget"), selection);
  else if (selection.sparsity || selection.granularity.kind == MaskGranularity::Kind::n_of_m)
    request.selections = {selection};
  if (values.contains("activations"))
    request.activations = {.sparsity = values.real("activations"),
                           .random = request.mase && selection.method == "random"};
  return request;
}

// Under rule mase the method says how activations go: by size or at random.
bool takes_activations(const std::string& key, const Options& values) {
  const std::string method = values.text_or("method", "l1");
  return key == "method" && (method == "l1" || method == "random");
}

void check(const StageCheck& call) {
  const auto& [values, training, graph, where] = call;
  const auto refuse = [&](const std::string& message, const std::string& hint) {
    throw Error(ErrorCode::invalid_argument, where + ": " + message, hint);
  };
  if (values.contains("budget"))
    for (const char* name : {"sparsity", "nodes"})
      if (values.contains(name))
        refuse(fmt::format("key '{}' changes nothing beside 'budget'", name),
               "write it into the file");
  const PruneRequest request = request_of(values, where);
  if (request.selections.empty() && !request.activations)
    refuse("nothing is pruned", "give the key 'sparsity', 'budget' or 'activations'");
  if (request.selections.empty())
    for (const char* name : {"granularity", "scope", "method"})
      if (values.contains(name) && !(request.mase && takes_activations(name, values)))
        refuse(fmt::format("key '{}' changes nothing without 'sparsity' or 'budget'", name),
               "give the share of the weights that goes: sparsity = 0.5");
  if (values.contains("samples") && !reads_data(request))
    refuse("key 'samples' changes nothing: the method looks at no data", "leave it out");
  at_place(where, [&] {
    check_request(request);
    for (const PruneSelection& selection : request.selections)
      at_place(selection.where, [&] { prunable_nodes(graph, selection.nodes); });
    if (request.activations) prunable_nodes(graph, request.activation_nodes);
  });
}

std::string describe(const Options& values) {
  std::string text = "prune " + values.text_or("method", "l1");
  if (values.contains("budget")) text += " by " + values.text("budget");
  if (values.contains("sparsity")) text += fmt::format(" {:g}", values.real("sparsity"));
  if (values.contains("granularity")) text += " of " + values.text("granularity");
  if (values.contains("activations"))
    text += fmt::format(", activations {:g}", values.real("activations"));
  if (values.boolean_or("remove", false)) text += ", removed";
  return text;
}

double run(const StageCall& call) {
  PruneRequest request = request_of(call.values, "[[stages]]");
  request.model = call.model;
  request.out = call.out;
  request.seed = static_cast<std::uint64_t>(call.seed);
  request.command = call.command;
  request.overwrite = true;
  request.measure = false;
  request.remove = call.values.boolean_or("remove", false);
  if (reads_data(request)) {
    request.data = call.data;
    request.data_settings = call.data_settings;
    request.tokenizer = call.tokenizer;
    request.max_length = call.max_length;
    request.samples = call.values.integer_or("samples", request.samples);
  }
  run_pruning(request, call.watcher);
  return 0;
}

}  // namespace prune_stage
}  // namespace

Stage stage_prune() {
  using namespace prune_stage;
  Stage stage{{"prune", "sets what matters least to zero, and may take it out", options()}};
  stage.files = {"budget"};
  stage.check = check;
  stage.describe = describe;
  stage.run = run;
  return stage;
}

}  // namespace hone
