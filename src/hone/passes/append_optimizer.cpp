// Appends clipping by global norm and the optimizer's update of every parameter that has a gradient
// (outputs "grad.*", which it consumes). Gives the output "grad_norm"; adds the inputs "schedule"
// (the learning rate of every step) and "step" (from 1) and the optimizer's states.
#include <algorithm>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/graph/op.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace append_optimizer_pass {

constexpr const char* default_update = "adamw";

struct Trained {
  ValueId parameter, gradient;
};

std::vector<Trained> take_gradients(Graph& graph) {
  std::vector<Trained> list;
  for (const auto& [name, id] : graph.outputs)
    if (name.rfind("grad.", 0) == 0) list.push_back({graph.find(name.substr(5)), id});
  graph.outputs.erase(
      std::remove_if(graph.outputs.begin(), graph.outputs.end(),
                     [](const auto& output) { return output.first.rfind("grad.", 0) == 0; }),
      graph.outputs.end());
  return list;
}

// What the node of one parameter has of the pass's options, by the names of the op's own.
Options attributes_of(const Op& update, const Options& options, const Value& parameter,
                      const std::vector<std::string>& kept) {
  Options attributes;
  for (const OptionSpec& spec : update.options) {
    if (spec.name == "keep_sign")
      attributes.set(spec.name, std::find(kept.begin(), kept.end(), parameter.name) != kept.end());
    // Vectors (biases, norms) are not decayed unless asked for.
    else if (spec.name == "weight_decay" && parameter.type.dims.size() < 2 &&
             !options.boolean("decay_all"))
      attributes.set(spec.name, 0.0);
    else
      attributes.set(spec.name, options.values().at(spec.name));
  }
  return attributes;
}

// Inputs p, g, the states, clip, schedule, step; p and the states are overwritten.
const Op& find_update(const Options& options) {
  const Op& op = find_op(options.text("update"));
  if (op.in_place.empty() || op.in_place[0] != 0 ||
      op.input_names.size() != op.in_place.size() + 4 || op.input_names.back() != "step")
    throw Error(ErrorCode::invalid_argument,
                "pass append_optimizer: the op '" + op.name + "' updates no parameter",
                "give the op of an optimizer, such as " + std::string(default_update));
  return op;
}

int run(const PassCall& call) {
  Graph& graph = call.graph;
  const Options& options = call.options;
  const std::vector<Trained> trained = take_gradients(graph);
  if (trained.empty())
    throw Error(ErrorCode::invalid_argument,
                "pass append_optimizer: the graph has no gradients (outputs \"grad.*\")",
                "run the pass differentiate first");
  std::vector<ValueId> gradients{none};
  for (const Trained& t : trained) gradients.push_back(t.gradient);
  const ValueId norm = graph.apply("global_norm", gradients, {}, "grad_norm");
  const ValueId clip = graph.apply("clip_factor", {norm}, {{"limit", options.real("clip")}});
  const ValueId schedule = graph.input("schedule", {DType::f32, {Dim("S")}});
  const ValueId step = graph.input("step", {DType::i32, {1}});
  const Op& update = find_update(options);
  const std::vector<std::string> kept = split(options.text("keep_sign"), ',');
  for (const Trained& t : trained) {
    const Value parameter = graph.value(t.parameter);
    // What the op overwrites: the parameter, then its states.
    std::vector<ValueId> inputs{t.parameter, t.gradient}, overwritten{t.parameter};
    for (std::size_t i = 1; i < update.in_place.size(); ++i) {
      const std::string& name = update.input_names[static_cast<std::size_t>(update.in_place[i])];
      overwritten.push_back(
          graph.add_value(parameter.name + "." + name, parameter.type, ValueKind::state));
      inputs.push_back(overwritten.back());
    }
    inputs.insert(inputs.end(), {clip, schedule, step});
    const NodeId made =
        graph.append(update.name, inputs, attributes_of(update, options, parameter, kept),
                     parameter.name + ".new");
    for (std::size_t i = 0; i < overwritten.size(); ++i)
      graph.updates.emplace_back(overwritten[i], graph.node(made).outputs[i]);
  }
  graph.outputs.emplace_back("grad_norm", norm);
  return static_cast<int>(trained.size());
}

// The attributes of the op are options, as far as the pass does not choose them by parameter.
std::vector<OptionSpec> attributes_as_options(const Options& given) {
  std::vector<OptionSpec> specs = find_op(given.text_or("update", default_update)).options;
  std::erase_if(specs, [](const OptionSpec& spec) { return spec.name == "keep_sign"; });
  return specs;
}

}  // namespace append_optimizer_pass
}  // namespace

Pass pass_append_optimizer() {
  using namespace append_optimizer_pass;
  Pass pass{
      {"append_optimizer",
       "appends clipping and the optimizer's updates",
       {{"update", OptionType::text, std::string(default_update),
         "the op of an update; its attributes are options too"},
        {"clip", OptionType::real, 1.0, "largest global gradient norm; 0: no clipping", 0.0, 1e30},
        {"decay_all", OptionType::boolean, false, "decay biases and norms as well"},
        {"keep_sign", OptionType::text, std::string(),
         "parameters that keep their signs, separated by commas"}}}};
  pass.run = run;
  pass.required = true;
  pass.more_options = attributes_as_options;
  return pass;
}

}  // namespace hone
