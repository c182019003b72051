#include <algorithm>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/out_folder.hpp"
#include "hone/cli/detail/program.hpp"
#include "hone/cli/detail/prune_summary.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/cli/detail/watch.hpp"
#include "hone/core/error.hpp"
#include "hone/recipes/prune_run.hpp"
#include "hone/sparsity/pruner.hpp"

namespace hone {
namespace {

// Settings of the training that are flags here.
const std::vector<std::string> pruning_training_flags{
    "epochs", "steps",  "batch",      "lr",         "weight_decay", "schedule",
    "warmup", "clip",   "dropout",    "validation", "max_length",   "seed",
    "keep",   "metric", "accumulate", "threads"};

bool trains(const CommandInput& input) {
  const auto is_set = [&](const char* name) {
    return input.options.contains(name) ||
           std::any_of(input.settings.begin(), input.settings.end(),
                       [&](const auto& setting) { return setting.first == name; });
  };
  return is_set("epochs") || is_set("steps");
}

void refuse_without(const CommandInput& input, const std::vector<std::string>& names,
                    const std::string& without, const std::string& hint) {
  for (const std::string& name : names)
    if (input.options.contains(name))
      throw UsageError(fmt::format("{} changes nothing without {}", flag_name(name), without),
                       hint);
}

// What only training takes.
void refuse_training_options(const CommandInput& input, const PruneRequest& request) {
  std::vector<std::string> names{"resume", "gradual"};
  for (const std::string& name : pruning_training_flags)
    if (name != "threads" && name != "seed" && !(name == "max_length" && reads_data(request)))
      names.push_back(name);
  refuse_without(input, names, "training", "leave it out, or train: --data DATA --epochs 1");
  for (const auto& [key, value] : input.settings)
    if (!reads_data(request) || key.rfind("data.", 0) != 0)
      throw UsageError(fmt::format("--set {} changes nothing without training", key),
                       "leave it out, or train: --data DATA --epochs 1");
  if (std::none_of(request.selections.begin(), request.selections.end(),
                   [](const PruneSelection& selection) { return selection.method == "random"; }))
    refuse_without(input, {"seed"}, "method random or training", "leave it out");
  if (!reads_data(request))
    refuse_without(input, {"data", "tokenizer", "samples"},
                   "a method that looks at data, a threshold of activations, or training",
                   "leave it out, or train: --epochs 1");
}

PruneSelection selection_of(const CommandInput& input) {
  PruneSelection selection;
  selection.nodes = input.options.text_or("nodes", "");
  selection.method = find_pruner(input.options.text_or("method", "l1")).name;
  selection.granularity = parse_mask_granularity(input.options.text_or("granularity", "element"));
  if (input.options.contains("sparsity")) selection.sparsity = input.options.real("sparsity");
  return selection;
}

bool removes_alone(const CommandInput& input) {
  const auto has = [&](const char* name) { return input.options.contains(name); };
  return input.options.boolean_or("remove", false) && !has("sparsity") && !has("budget") &&
         !has("activations") &&
         parse_mask_granularity(input.options.text_or("granularity", "element")).kind !=
             MaskGranularity::Kind::n_of_m;
}

// Removing alone takes no choice of masks.
void refuse_beside_removing(const CommandInput& input) {
  std::vector<std::string> names{"method",      "granularity",   "scope",     "nodes",
                                 "rule",        "allow_empty",   "threshold", "data",
                                 "samples",     "tokenizer",     "gradual",   "gradual_begin",
                                 "gradual_end", "gradual_every", "resume"};
  for (const std::string& name : pruning_training_flags)
    if (name != "threads") names.push_back(name);
  refuse_without(
      input, names, "--sparsity, --budget or --activations",
      "--remove alone takes out what is zero already: leave it out, or prune and remove in one");
  if (!input.settings.empty())
    throw UsageError(
        fmt::format("--set {} changes nothing of --remove alone", input.settings.front().first),
        "leave it out");
}

void choose_selections(const CommandInput& input, PruneRequest& request) {
  const PruneSelection selection = selection_of(input);
  if (input.options.contains("budget")) {
    for (const char* name : {"sparsity", "nodes"})
      if (input.options.contains(name))
        throw UsageError(fmt::format("--{} changes nothing beside --budget", name),
                         "write it into the file");
    request.selections = load_budget_file(input.options.text("budget"), selection);
    return;
  }
  const bool n_of_m = selection.granularity.kind == MaskGranularity::Kind::n_of_m;
  if (selection.sparsity || n_of_m) {
    request.selections.push_back(selection);
    return;
  }
  std::vector<std::string> names{"granularity", "scope", "allow_empty"};
  // (Under rule mase the method says how activations go: by size or at random.)
  const std::string& method = selection.method;
  if (input.options.text_or("rule", "exact") != "mase" || (method != "l1" && method != "random"))
    names.emplace_back("method");
  refuse_without(input, names, "--sparsity or --budget",
                 "give the share of the weights that goes: --sparsity 0.5");
}

void choose_gradual(const CommandInput& input, PruneRequest& request) {
  if (!input.options.contains("gradual")) {
    refuse_without(input, {"gradual_begin", "gradual_end", "gradual_every"}, "--gradual",
                   "let the sparsity grow: --gradual cubic");
    return;
  }
  GradualRequest gradual;
  gradual.cubic = input.options.text("gradual") == "cubic";
  gradual.begin = input.options.real_or("gradual_begin", gradual.begin);
  gradual.end = input.options.real_or("gradual_end", gradual.end);
  gradual.every = input.options.integer_or("gradual_every", gradual.every);
  request.gradual = gradual;
}

PruneRequest make_request(const CommandInput& input) {
  PruneRequest request;
  request.model = input.argument("MODEL");
  request.out = input.options.text("out");
  request.command = input.line;
  request.overwrite = input.options.boolean_or("overwrite", false);
  request.remove = input.options.boolean_or("remove", false);
  request.measure = !input.options.boolean_or("no_measure", false);
  request.tokens = input.options.integer_or("tokens", 0);
  if (!request.measure && input.options.contains("tokens"))
    throw UsageError("--tokens changes nothing with --no-measure", "give one of them");
  if (removes_alone(input)) {
    refuse_beside_removing(input);
    return request;
  }
  choose_selections(input, request);
  request.scope =
      input.options.text_or("scope", "local") == "global" ? MaskScope::global : MaskScope::local;
  request.mase = input.options.text_or("rule", "exact") == "mase";
  request.allow_empty = input.options.boolean_or("allow_empty", false);
  request.seed = static_cast<std::uint64_t>(input.options.integer_or("seed", 0));
  if (input.options.contains("activations"))
    request.activations = {
        .sparsity = input.options.real("activations"),
        .random = request.mase && input.options.text_or("method", "l1") == "random",
        .by_threshold = input.options.boolean_or("threshold", false)};
  else
    refuse_without(input, {"threshold"}, "--activations", "leave it out");
  request.activation_nodes = input.options.text_or("nodes", "");
  choose_gradual(input, request);
  request.data = input.options.text_or("data", "");
  request.tokenizer = input.options.text_or("tokenizer", "");
  request.max_length = input.options.integer_or("max_length", 0);
  request.samples = input.options.integer_or("samples", request.samples);
  for (const auto& [key, value] : input.settings)
    if (key.rfind("data.", 0) == 0) request.data_settings.emplace_back(key.substr(5), value);
  if (!trains(input)) {
    refuse_training_options(input, request);
    return request;
  }
  if (request.data.empty())
    throw UsageError("training needs --data", "the data to train on, for example imdb:PATH");
  if (!reads_data(request))
    refuse_without(input, {"samples"}, "a method that looks at data", "leave it out");
  TrainRequest training;
  training.data = request.data;
  training.tokenizer = request.tokenizer;
  training.resume = input.options.boolean_or("resume", false);
  training.overwrite = input.options.boolean_or("overwrite", false);
  training.command = input.line;
  training.settings = command_settings(input, train_settings(), false);
  request.training = std::move(training);
  return request;
}

CommandResult run_prune(const CommandInput& input) {
  apply_threads(input);
  refuse_overwriting(input);
  const PruneRequest request = make_request(input);
  const PruneOutcome outcome = run_pruning(request, console_watcher());
  console().finish();
  if (outcome.training && !outcome.training->result.finished) {
    console().note("stopped and saved; the same command with --resume continues");
    return {exit_interrupted, to_json(outcome, request.out)};
  }
  console().print(summarize_pruning(outcome, request.out));
  return {0, to_json(outcome, request.out)};
}

OptionSpec text(const char* name, const char* help, std::vector<std::string> choices = {}) {
  OptionSpec spec{.name = name, .default_value = {}, .help = help};
  spec.choices = std::move(choices);
  return spec;
}

OptionSpec flag(const char* name, const char* help) {
  return {.name = name, .type = OptionType::boolean, .default_value = {}, .help = help};
}

OptionSpec number(const char* name, OptionType type, const char* help, double minimum,
                  double maximum) {
  return {.name = name,
          .type = type,
          .default_value = {},
          .help = help,
          .minimum = minimum,
          .maximum = maximum};
}

std::vector<OptionSpec> pruning_options() {
  std::vector<std::string> methods;
  for (const Pruner& pruner : pruner_table()) methods.push_back(pruner.name);
  return {
      text("method",
           "what goes first (hone list pruners); movement, snip and wanda look at --data; default: "
           "l1",
           methods),
      number("sparsity", OptionType::real, "share of the weights that goes, exactly", 0, 1),
      text("scope", "each weight loses its share, or the lowest of all go; default: local",
           {"local", "global"}),
      text("granularity",
           "what goes together: element, 2:4 (any N:M), 4x4 (any block), row, column, head, "
           "neuron, channel (of planes between convolutions), layer; default: element"),
      text("nodes",
           "what is pruned: op types, names of nodes, layers or parameters, or regular "
           "expressions, separated by commas; default: layers (linear, conv), without the "
           "classifier"),
      text("budget",
           "instead: a TOML file of tables [[prune]] with nodes and sparsity (method, "
           "granularity); the first that matches a node wins"),
      text("rule",
           "exact counts, or thresholds as MASE sets them (methods l1 and random; activations over "
           "the whole tensor of a call, so that results depend on the batch, with method random "
           "at random); default: exact",
           {"exact", "mase"}),
      flag("allow_empty", "a weight may lose all of its numbers"),
      number("activations", OptionType::real,
             "share of the numbers of each token that the nodes read and that is dropped, smallest "
             "first",
             0, 1),
      flag("threshold", "with --activations: drop what is below a threshold, calibrated on --data"),
      text("data", "what methods look at (its split train), and what is trained on"),
      number("samples", OptionType::integer, "samples that methods look at; default: 128", 1, 1e9),
      text("tokenizer", "folder or file of the tokenizer; default: the model's own"),
      text("gradual",
           "with training: the sparsity grows while it trains, fast at first (cubic) or evenly",
           {"cubic", "linear"}),
      number("gradual_begin", OptionType::real, "share of the steps before it grows; default: 0", 0,
             1),
      number("gradual_end", OptionType::real,
             "share of the steps after which all of it is there; default: 0.75", 0, 1),
      number("gradual_every", OptionType::integer,
             "steps between new masks; default: a hundredth of all", 1, 1e9),
      flag("remove",
           "take out what is zero as a whole (heads, neurons, channels, branches): smaller shapes, "
           "the same "
           "answers; alone, of a MODEL that is pruned already, or after pruning and training"),
      number("tokens", OptionType::integer,
             "length of the text that latency is measured with; default: 128, or the model's limit",
             1, 1e6),
      flag("no_measure", "do not measure the latency of dense, masked and removed"),
      text("out", "folder of the pruned model"),
      flag("resume", "continue the training in --out"),
      flag("overwrite", "replace what is in --out")};
}

}  // namespace

Command command_prune() {
  Command command{
      {"prune", "sets the weights that matter least to zero for good, and trains the others", {}}};
  command.options = pruning_options();
  for (OptionSpec& spec : pick(train_settings(), pruning_training_flags)) {
    if (spec.name == "epochs")
      spec.help = "train what is left so many passes over the data; may be a fraction";
    else if (spec.name == "steps")
      spec.help = "train what is left so many steps";
    else if (spec.name == "seed")
      spec.help = "of method random and of training; default: 0";
    else if (spec.name != "threads" && spec.name != "max_length")
      spec.help = "training: " + spec.help;
    spec.default_value.reset();
    command.options.push_back(std::move(spec));
  }
  command.arguments = {{"MODEL", "a model folder"}};
  command.placeholders = {{"data", "DATA"},        {"out", "DIR"},        {"tokenizer", "DIR"},
                          {"method", "NAME"},      {"nodes", "PATTERNS"}, {"budget", "FILE"},
                          {"granularity", "UNIT"}, {"metric", "NAME"}};
  command.required = {"out"};
  command.settings_note = "The settings of hone train, and of the data (data.KEY).";
  command.examples = {
      "hone prune runs/imdb --sparsity 0.5 --out runs/half",
      "hone prune runs/imdb --sparsity 0.5 --granularity head --remove --out runs/fewer-heads",
      "hone prune runs/imdb --sparsity 0.5 --granularity neuron --out runs/neurons",
      "hone prune runs/neurons --remove --out runs/narrow",
      "hone prune runs/imdb --method wanda --granularity 2:4 --data imdb:aclImdb_v1.tar.gz --out "
      "runs/two-of-four",
      "hone prune runs/imdb --sparsity 0.9 --scope global --gradual cubic --data "
      "imdb:aclImdb_v1.tar.gz --epochs 2 --out runs/sparse",
      "hone prune runs/imdb --sparsity 0.5 --granularity head --nodes "
      "'.*attention.*' --activations 0.3 --out runs/heads"};
  command.run = run_prune;
  return command;
}

}  // namespace hone
