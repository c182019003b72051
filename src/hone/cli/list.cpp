#include <functional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/backend/kernel.hpp"
#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/option_texts.hpp"
#include "hone/cli/detail/program.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/data/dataset.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/frontends/model.hpp"
#include "hone/frontends/onnx/onnx_call.hpp"
#include "hone/frontends/zoo/architecture.hpp"
#include "hone/graph/op.hpp"
#include "hone/numerics/format.hpp"
#include "hone/passes/pass.hpp"
#include "hone/recipes/recipe.hpp"
#include "hone/recipes/stage.hpp"
#include "hone/search/sampler.hpp"
#include "hone/search/stopper.hpp"
#include "hone/search/storage.hpp"
#include "hone/sparsity/pruner.hpp"
#include "hone/tasks/task.hpp"
#include "hone/train/optimizers/optimizer.hpp"
#include "hone/train/schedules/schedule.hpp"

namespace hone {
namespace {

using Members = std::vector<Described>;

template <typename Table>
Members described(const Table& table) {
  return Members(table.begin(), table.end());
}

Members kernels() {
  Members members;
  for (const Kernel& kernel : cpu_kernel_table()) {
    Described member = kernel;
    member.summary = fmt::format("{}: {}", kernel.op, kernel.summary);
    members.push_back(std::move(member));
  }
  return members;
}

Members onnx_ops() {
  Members members;
  for (const OnnxOp& op : onnx_op_table()) {
    Described member = op;
    if (!op.domain.empty()) member.name = op.domain + "." + op.name;
    member.summary = fmt::format("{} to {}: {}", op.since,
                                 op.until == 0 ? newest_onnx_opset : op.until, op.summary);
    members.push_back(std::move(member));
  }
  return members;
}

Members models() {
  Members members;
  for (const std::string& name : builtin_models()) {
    const ModelFacts facts = model_facts(name, {});
    const Graph graph = source_graph(name, {});
    std::int64_t parameters = 0;
    for (const Value& value : graph.values)
      if (value.kind == ValueKind::parameter) parameters += element_count(evaluate(value.type, {}));
    std::int64_t layers = 0, heads = 0;
    for (const Node& node : graph.nodes) {
      if (node.op == "attention") heads = node.attributes.integer("heads");
      if (node.op == (facts.image ? "conv" : "attention")) ++layers;
    }
    if (facts.image) {
      members.push_back(
          {name,
           fmt::format("pictures of {} x {}, {} convolutions, {:.2f} M parameters for "
                       "{} classes",
                       facts.image.height, facts.image.width, layers,
                       static_cast<double>(parameters) * 1e-6, facts.head.size),
           {}});
      continue;
    }
    members.push_back(
        {name,
         fmt::format("{} layers of width {}, {} heads, {:.1f} M parameters with a vocabulary of {}",
                     layers, facts.width, heads, static_cast<double>(parameters) * 1e-6,
                     facts.limits.vocabulary),
         {}});
  }
  return members;
}

Members recipes() {
  Members members;
  for (const ShippedRecipe& shipped : shipped_recipes()) {
    const RecipeFacts facts = recipe_facts(std::string(shipped.name));
    members.push_back(
        {std::string(shipped.name),
         fmt::format("{}{}; needs {}", facts.is_search ? "search: " : "", facts.description,
                     facts.needs.empty() ? "nothing" : facts.needs),
         {}});
  }
  return members;
}

// A list of tables stands behind its recipe.
Members jobs() {
  Members members;
  for (const Recipe& recipe : recipe_table()) {
    members.push_back(recipe);
    for (const RecipeList& list : recipe.lists) {
      members.push_back(list);
      members.back().name = fmt::format("{} [[{}]]", recipe.name, list.name);
      for (const Described& kind : list.kinds) {
        members.push_back(kind);
        members.back().name =
            fmt::format("{} [[{}]] {} = \"{}\"", recipe.name, list.name, list.kind_key, kind.name);
      }
    }
  }
  return members;
}

Members settings_as_members(const std::vector<OptionSpec>& specs) {
  Members members;
  for (const OptionSpec& spec : specs) members.push_back({spec.name, spec.help, {}});
  return members;
}

struct Kind {
  const char* name;
  const char* summary;
  Members (*members)();
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      {"architectures", "kinds of models that are built from a config.json",
       [] { return described(architecture_table()); }},
      {"commands", "what hone does", [] { return described(command_table()); }},
      {"datasets", "kinds of data for --data", [] { return described(dataset_table()); }},
      {"formats", "number formats and their options", [] { return described(format_table()); }},
      {"jobs", "what a recipe file may name as its recipe, and the keys", jobs},
      {"kernels", "ways to compute an op on this machine", kernels},
      {"models", "built-in models", models},
      {"model-sizes", "settings of a built-in model",
       [] { return settings_as_members(builtin_options()); }},
      {"onnx-ops", "ops of ONNX that hone imports, and of which operator sets", onnx_ops},
      {"ops", "kinds of nodes of a graph", [] { return described(op_table()); }},
      {"optimizers", "what updates the weights in training",
       [] { return described(optimizer_table()); }},
      {"passes", "rewrites of a graph", [] { return described(pass_table()); }},
      {"pruners", "ways to choose the weights that go", [] { return described(pruner_table()); }},
      {"readers", "kinds of weight files", [] { return described(weights_reader_table()); }},
      {"recipes", "experiments for hone run, and what they need", recipes},
      {"schedules", "how the learning rate goes", [] { return described(schedule_table()); }},
      {"samplers", "how a search chooses what to try next",
       [] { return described(sampler_table()); }},
      {"stoppers", "which trials of a search are ended early",
       [] { return described(stopper_table()); }},
      {"stages", "what recipes do to a model, one after the other",
       [] { return described(stage_table()); }},
      {"storages", "where studies are kept", [] { return described(storage_table()); }},
      {"tasks", "what models are for", [] { return described(task_table()); }}};
  return all;
}

const Kind& find_kind(const std::string& name) {
  std::vector<std::string> names;
  for (const Kind& kind : kinds()) {
    if (kind.name == name) return kind;
    names.emplace_back(kind.name);
  }
  throw UsageError(fmt::format("there is no list of '{}'", printable(name, 100)),
                   did_you_mean(name, names));
}

CommandResult run_list(const CommandInput& input) {
  const std::string name = input.argument("KIND");
  Json results = Json::array();
  TerminalTable table({{name.empty() ? "kind" : name, Align::left}, {"", Align::left}});
  const auto add = [&](const std::string& member, const std::string& summary) {
    table.add_row({member, summary});
  };
  if (name.empty()) {
    for (const Kind& kind : kinds()) {
      add(kind.name, kind.summary);
      results.push_back({{"name", kind.name}, {"summary", kind.summary}});
    }
  } else {
    // Flags of commands are their --help.
    const bool with_options = name != "commands";
    for (const Described& member : find_kind(name).members()) {
      add(member.name, member.summary);
      Json json{{"name", member.name}, {"summary", member.summary}, {"options", Json::array()}};
      for (const OptionSpec& spec : member.options) {
        if (with_options) add("  " + spec.name, describe_option(spec));
        json["options"].push_back(option_json(spec));
      }
      results.push_back(std::move(json));
    }
  }
  console().print(
      table.render(console().style(), console().output_terminal() ? console().width() : 0));
  return {0, {{name.empty() ? "kinds" : name, results}}};
}

}  // namespace

Command command_list() {
  Command command{
      {"list", "what there is: recipes, models, datasets, formats, ops, kernels, passes, ...", {}}};
  command.arguments = {{"KIND", "what to list; without it: what can be listed", false}};
  command.examples = {"hone list", "hone list recipes", "hone list datasets"};
  command.run = run_list;
  return command;
}

}  // namespace hone
