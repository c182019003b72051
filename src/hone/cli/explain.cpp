#include <algorithm>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/program.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/graph/dim.hpp"
#include "hone/graph/text.hpp"
#include "hone/passes/int8_products.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/sparse_products.hpp"
#include "hone/recipes/layers.hpp"
#include "hone/recipes/quantized_summary.hpp"
#include "hone/report/numbers.hpp"
#include "hone/run/forward.hpp"
#include "hone/train/stepper.hpp"

namespace hone {
namespace {

struct Explained {
  Graph graph;
  std::vector<PassReport> passes;
};

Explained build(const CommandInput& input, const Model& model) {
  const Mode mode = parse_mode(input.options.text_or("mode", "compiled"));
  const std::vector<std::string> disabled = input.options.contains("disable_pass")
                                                ? split(input.options.text("disable_pass"), ',')
                                                : std::vector<std::string>{};
  Explained explained;
  if (input.options.boolean_or("training", false)) {
    TrainOptions options;
    options.mode = mode;
    options.disabled_passes = disabled;
    options.hidden_dropout = options.attention_dropout = options.classifier_dropout =
        input.options.real_or("dropout", -1);
    explained.graph = make_training_graph(model, find_task(model.task), options, &explained.passes);
  } else {
    explained.graph = make_forward_graph(model, mode, disabled, &explained.passes);
  }
  return explained;
}

std::string show_passes(const std::vector<PassReport>& passes) {
  TerminalTable table({{"pass", Align::left},
                       {"changes", Align::right},
                       {"nodes after", Align::right},
                       {"time", Align::right}});
  for (const PassReport& pass : passes)
    table.add_row({pass.name, fmt::format("{}", pass.changes), fmt::format("{}", pass.nodes_after),
                   format_duration(pass.seconds)});
  if (passes.empty()) table.add_row({"none"});
  return table.render(console().style(), 0);
}

Json json_of(const std::vector<PassReport>& passes) {
  Json list = Json::array();
  for (const PassReport& pass : passes)
    list.push_back({{"name", pass.name},
                    {"changes", pass.changes},
                    {"nodes_after", pass.nodes_after},
                    {"seconds", pass.seconds}});
  return list;
}

const char* name_of(Place place) {
  switch (place) {
    case Place::external: return "bound";
    case Place::arena: return "arena";
    case Place::tile: return "tile";
    case Place::absent: break;
  }
  return "absent";
}

// Where the first output of a node lies.
std::string place_of(const Plan& plan, const Node& node) {
  const Location& at = plan.locations[static_cast<std::size_t>(node.outputs[0])];
  if (at.place == Place::external) return "in place";
  return fmt::format("{} +{}", name_of(at.place), at.offset);
}

// The steps in order; a step that is cut into tiles has a line of its own before its nodes.
std::string show_steps(const Graph& graph, const Plan& plan) {
  std::string text;
  for (std::size_t s = 0; s < plan.steps.size(); ++s) {
    const PlanStep& step = plan.steps[s];
    if (step.tiled)
      text += fmt::format("step {}: {} nodes on tiles of {} of {} rows\n", s, step.nodes.size(),
                          step.tile_rows, evaluate(step.rows, plan.sizes));
    else
      text += fmt::format("step {}: whole\n", s);
    for (const PlannedNode& planned : step.nodes) {
      const Node& node = graph.node(planned.node);
      const Value& value = graph.value(node.outputs[0]);
      text += fmt::format("  %{} : {} = {}  [{}]\n      {}: {}\n", value.name,
                          to_string(value.type), node.op, place_of(plan, node),
                          planned.kernel != nullptr ? planned.kernel->name : "reference",
                          planned.reason);
      if (const std::string why = why_not_int8(graph, node); !why.empty())
        text += fmt::format("      not on 8-bit codes: {}\n", why);
    }
  }
  return text;
}

Json json_of(const Graph& graph, const Plan& plan) {
  Json steps = Json::array();
  for (const PlanStep& step : plan.steps) {
    Json nodes = Json::array();
    for (const PlannedNode& planned : step.nodes) {
      const Node& node = graph.node(planned.node);
      nodes.push_back({{"value", graph.value(node.outputs[0]).name},
                       {"op", node.op},
                       {"kernel", planned.kernel != nullptr ? planned.kernel->name : "reference"},
                       {"reason", planned.reason},
                       {"place", place_of(plan, node)}});
      if (const std::string why = why_not_int8(graph, node); !why.empty())
        nodes.back()["not_int8"] = why;
    }
    steps.push_back({{"tiled", step.tiled}, {"tile_rows", step.tile_rows}, {"nodes", nodes}});
  }
  return steps;
}

// Where the products of a pruned model run, and why; empty for others.
std::string show_products(const std::vector<ProductNote>& products) {
  TerminalTable table({{"product", Align::left},
                       {"mask", Align::left},
                       {"density", Align::right},
                       {"runs", Align::left},
                       {"why", Align::left}});
  for (const ProductNote& note : products)
    table.add_row({note.node, note.masked ? note.pattern : "none",
                   fmt::format("{:.3f}", note.choice.density),
                   !note.sparse             ? "dense"
                   : note.choice.group == 1 ? "sparse, row by row"
                                            : "sparse, four rows at once",
                   note.reason});
  return table.render(console().style(), 0);
}

Json json_of(const std::vector<ProductNote>& products) {
  Json list = Json::array();
  for (const ProductNote& note : products)
    list.push_back({{"node", note.node},
                    {"weight", note.weight},
                    {"mask", note.pattern},
                    {"density", note.choice.density},
                    {"sparse", note.sparse},
                    {"group", note.choice.group},
                    {"cost", note.choice.cost},
                    {"reason", note.reason}});
  return list;
}

// What masks make of the products as they are run here.
void explain_masks(const CommandInput& input, const Model& model, const Explained& explained,
                   Json& results) {
  if (masks_of(model.graph).empty()) return;
  const bool fused = std::any_of(explained.passes.begin(), explained.passes.end(),
                                 [](const PassReport& pass) { return pass.name == "fuse_sparse"; });
  if (!fused) {
    const char* why = input.options.boolean_or("training", false)
                          ? "products of masked weights run dense: training changes the weights in "
                            "every step"
                          : "products of masked weights run dense: without the pass fuse_sparse";
    console().print(fmt::format("\n{}\n", why));
    return;
  }
  const std::vector<ProductNote> products = describe_sparse_products(model);
  console().print("\n" + show_products(products));
  results["sparse_products"] = json_of(products);
}

DimSizes sizes_of_texts(const CommandInput& input) {
  if (input.options.contains("sizes"))
    throw UsageError("--sizes changes nothing for a model of texts", "--tokens and --batch do");
  return {{"T", input.options.integer_or("tokens", 2048)},
          {"B", input.options.integer_or("batch", 8)},
          {"S", 1000},
          {"R", 1000}};
}

// The named sizes of a graph: as --sizes gives them, else 1.
DimSizes sizes_of_tensors(const CommandInput& input, const Graph& graph) {
  DimSizes sizes = all_sizes(graph);
  std::vector<std::string> names;
  for (const auto& [name, size] : sizes) names.push_back(name);
  const OptionSpec spec{.name = "sizes",
                        .type = OptionType::integer,
                        .default_value = {},
                        .help = "",
                        .minimum = 0,
                        .maximum = 1e12};
  for (const std::string& one : split(input.options.text_or("sizes", ""), ',')) {
    if (trim(one).empty()) continue;
    const std::size_t equals = one.find('=');
    const std::string name(trim(one.substr(0, equals)));
    if (equals == std::string::npos || !sizes.contains(name))
      throw UsageError(fmt::format("'{}' is no size of the model", printable(one, 100)),
                       names.empty() ? "all of its sizes are fixed" : did_you_mean(name, names));
    sizes[name] = std::get<std::int64_t>(
        parse_option(spec, std::string(trim(one.substr(equals + 1))), "--sizes"));
  }
  return sizes;
}

std::string describe_sizes(const DimSizes& sizes) {
  std::string text;
  for (const auto& [name, size] : sizes)
    text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", name, size);
  return text.empty() ? "fixed sizes" : text;
}

CommandResult run_explain(const CommandInput& input) {
  apply_threads(input);
  if (input.options.contains("dropout") && !input.options.boolean_or("training", false))
    throw UsageError("--dropout changes nothing without --training", "leave it out");
  const Settings given = command_settings(input, {}, true);
  const Model model = load_model({.name = input.argument("MODEL"), .settings = given.model});
  const Explained explained = build(input, model);
  const bool only_graph = input.options.boolean_or("graph", false);
  const bool only_passes = input.options.boolean_or("passes", false);
  Json results{{"passes", json_of(explained.passes)}, {"nodes", explained.graph.nodes.size()}};
  if (only_graph) console().print(print_graph(explained.graph));
  if (only_passes) console().print(show_passes(explained.passes));
  if (only_graph || only_passes) {
    results["graph"] = print_graph(explained.graph);
    return {0, results};
  }
  const bool of_texts = model.task != tensors_task;
  const DimSizes sizes =
      of_texts ? sizes_of_texts(input) : sizes_of_tensors(input, explained.graph);
  PlanOptions options;
  options.threads = thread_count();
  options.use_kernels = parse_mode(input.options.text_or("mode", "compiled")) != Mode::reference;
  const Plan plan = make_plan(explained.graph, sizes, options);
  console().print(
      show_passes(explained.passes) + "\n" + show_steps(explained.graph, plan) +
      fmt::format("\n{} nodes in {} steps, for {} on {} threads\n"
                  "arena {}, tile memory {} a thread\n",
                  explained.graph.nodes.size(), plan.steps.size(),
                  of_texts ? fmt::format("{} tokens of {} samples", sizes.at("T"), sizes.at("B"))
                           : describe_sizes(sizes),
                  plan.threads, format_bytes(static_cast<double>(plan.arena_bytes)),
                  format_bytes(static_cast<double>(plan.tile_bytes))));
  if (!formats_of(model.graph).empty() && !input.options.boolean_or("training", false) &&
      input.options.text_or("mode", "compiled") == "compiled") {
    const std::string products = describe_products(model);
    console().print(products + "\n");
    results["products"] = products;
  }
  explain_masks(input, model, explained, results);
  results["steps"] = json_of(explained.graph, plan);
  results["arena_bytes"] = plan.arena_bytes;
  results["tile_bytes"] = plan.tile_bytes;
  results["threads"] = plan.threads;
  return {0, results};
}

}  // namespace

Command command_explain() {
  Command command{
      {"explain", "shows how a model runs: passes, order, the kernel of each node and why", {}}};
  OptionSpec mode{.name = "mode", .default_value = "compiled", .help = "how the graph runs"};
  mode.choices = {"compiled", "eager", "reference"};
  command.options = {
      {.name = "training",
       .type = OptionType::boolean,
       .default_value = {},
       .help = "a training step instead of running forward"},
      {.name = "tokens",
       .type = OptionType::integer,
       .default_value = std::int64_t{2048},
       .help = "tokens of a batch",
       .minimum = 1,
       .maximum = 1e8},
      {.name = "batch",
       .type = OptionType::integer,
       .default_value = std::int64_t{8},
       .help = "samples of a batch",
       .minimum = 1,
       .maximum = 1e6},
      {.name = "sizes",
       .default_value = {},
       .help = "named sizes of a model of tensors: batch=32,length=128 (default: 1)"},
      {.name = "graph",
       .type = OptionType::boolean,
       .default_value = {},
       .help = "print the text of the graph instead of the plan"},
      {.name = "passes",
       .type = OptionType::boolean,
       .default_value = {},
       .help = "print only what each pass did"},
      {.name = "dropout",
       .type = OptionType::real,
       .default_value = {},
       .help = "with --training: all three dropouts; default: as the config says",
       .minimum = 0,
       .maximum = 0.99},
      {.name = "disable_pass",
       .default_value = {},
       .help = "passes to leave out, separated by commas"},
      std::move(mode),
      {.name = "threads",
       .type = OptionType::integer,
       .default_value = {},
       .help = "threads; default: all cores",
       .minimum = 1,
       .maximum = 4096}};
  command.arguments = {
      {"MODEL", "a model folder, an .onnx file, or a built-in name (hone list models)"}};
  command.placeholders = {{"mode", "MODE"}, {"disable_pass", "NAMES"}, {"sizes", "NAME=N,..."}};
  command.settings_note =
      "Sizes of a built-in model (hidden_size=256, num_hidden_layers=4, ...; hone list "
      "model-sizes).";
  command.examples = {"hone explain bert-tiny", "hone explain bert-tiny --training --graph",
                      "hone explain runs/first --training --passes"};
  command.run = run_explain;
  return command;
}

}  // namespace hone
