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
  const bool adamw = options.text("optimizer") == "adamw";
  const std::vector<std::string> kept = split(options.text("keep_sign"), ',');
  for (const Trained& t : trained) {
    const Value parameter = graph.value(t.parameter);
    // Vectors (biases, norms) are not decayed unless asked for.
    const bool decays = parameter.type.dims.size() > 1 || options.boolean("decay_all");
    const double decay = decays ? options.real("weight_decay") : 0.0;
    const bool keep_sign = std::find(kept.begin(), kept.end(), parameter.name) != kept.end();
    const ValueId m = graph.add_value(parameter.name + ".m", parameter.type, ValueKind::state);
    std::vector<ValueId> states{t.parameter, m};
    NodeId made = none;
    if (adamw) {
      const ValueId v = graph.add_value(parameter.name + ".v", parameter.type, ValueKind::state);
      states.push_back(v);
      made = graph.append("adamw", {t.parameter, t.gradient, m, v, clip, schedule, step},
                          {{"beta1", options.real("beta1")},
                           {"beta2", options.real("beta2")},
                           {"epsilon", options.real("epsilon")},
                           {"weight_decay", decay},
                           {"keep_sign", keep_sign}},
                          parameter.name + ".new");
    } else {
      made = graph.append("sgd", {t.parameter, t.gradient, m, clip, schedule, step},
                          {{"momentum", options.real("momentum")},
                           {"weight_decay", decay},
                           {"keep_sign", keep_sign}},
                          parameter.name + ".new");
    }
    for (std::size_t i = 0; i < states.size(); ++i)
      graph.updates.emplace_back(states[i], graph.node(made).outputs[i]);
  }
  graph.outputs.emplace_back("grad_norm", norm);
  return static_cast<int>(trained.size());
}

}  // namespace

Pass pass_append_optimizer() {
  Pass pass{
      {"append_optimizer",
       "appends clipping and the optimizer's updates",
       {{.name = "optimizer",
         .type = OptionType::text,
         .default_value = std::string("adamw"),
         .help = "which optimizer",
         .choices = {"adamw", "sgd"}},
        {"clip", OptionType::real, 1.0, "largest global gradient norm; 0: no clipping", 0.0, 1e30},
        {"weight_decay", OptionType::real, 0.0, "weight decay", 0.0, 100.0},
        {"decay_all", OptionType::boolean, false, "decay biases and norms as well"},
        {"beta1", OptionType::real, 0.9, "adamw: decay of the first moment", 0.0, 0.9999999},
        {"beta2", OptionType::real, 0.999, "adamw: decay of the second moment", 0.0, 0.9999999},
        {"epsilon", OptionType::real, 1e-8, "adamw: added to the denominator", 0.0, 1.0},
        {"momentum", OptionType::real, 0.0, "sgd: momentum", 0.0, 1.0},
        {"keep_sign", OptionType::text, std::string(),
         "parameters that keep their signs, separated by commas"}}}};
  pass.run = run;
  pass.required = true;
  return pass;
}

}  // namespace hone
