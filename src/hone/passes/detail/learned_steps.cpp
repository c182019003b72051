#include "hone/passes/learned_steps.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "hone/graph/weight.hpp"
#include "hone/numerics/value_stats.hpp"
#include "hone/ops/detail/learned.hpp"
#include "hone/passes/detail/rounding.hpp"

namespace hone {

FormatChoice learned_choice(const Node& node) {
  FormatChoice choice;
  choice.learned = true;
  choice.format = node.attributes.boolean("power_of_two") ? "integer" : "affine";
  Options options{{"width", node.attributes.integer("width")}};
  if (!node.attributes.boolean("is_signed")) options.set("is_signed", false);
  choice.options = format_options_text(options);
  return choice;
}

std::vector<LearnedStep> learned_steps(const Graph& graph) {
  std::vector<LearnedStep> steps;
  for (const Node& node : graph.nodes)
    if (node.op == "quantize_learned")
      steps.push_back({graph.value(node.inputs[1]).name,
                       graph.value(behind(graph, node.inputs[0])).name, learned_choice(node)});
  return steps;
}

double learned_high(const FormatChoice& choice) {
  const Options options = parse_format_options(find_format(choice.format), choice.options);
  const bool is_signed = choice.format == "affine" || options.boolean_or("is_signed", true);
  const double width = static_cast<double>(options.integer_or("width", 8));
  return std::exp2(is_signed ? width - 1 : width) - 1;
}

FormatChoice freeze_step(const FormatChoice& choice, float step) {
  FormatChoice frozen = choice;
  Options options = parse_format_options(find_format(choice.format), choice.options);
  if (choice.format == "integer") {
    const LearnedGrid grid({{"width", options.integer_or("width", 8)},
                            {"is_signed", true},
                            {"symmetric", false},
                            {"power_of_two", true}},
                           step);
    options.set("frac_width", std::int64_t{-std::lround(std::log2(grid.step))});
  } else {
    options.set("scale", static_cast<double>(std::max(std::abs(step), least_step)));
  }
  frozen.options = format_options_text(options);
  frozen.learned = false;
  return frozen;
}

void add_learned_steps(Model& model, const std::map<std::string, double>& mean_magnitudes) {
  for (const LearnedStep& step : learned_steps(model.graph)) {
    if (model.tensors.contains(step.parameter)) continue;
    double mean = 1;
    const auto known = mean_magnitudes.find(step.value);
    if (known != mean_magnitudes.end()) {
      mean = known->second;
    } else if (model.tensors.contains(step.value)) {
      ValueStats stats;
      stats.add(std::as_const(model.tensors).at(step.value).span<float>());
      mean = stats.mean_magnitude();
    }
    Tensor first(DType::f32, {1});
    first.as<float>()[0] =
        static_cast<float>(std::max(2 * mean / std::sqrt(learned_high(step.choice)), 1e-12));
    model.tensors.set(step.parameter, first);
  }
}

void freeze_learned_steps(Model& model) {
  Graph& graph = model.graph;
  const std::size_t count = graph.nodes.size();
  for (std::size_t n = 0; n < count; ++n) {
    const Node node = graph.nodes[n];
    if (node.op != "quantize_learned") continue;
    const float step = model.tensors.at(graph.value(node.inputs[1]).name).as<float>()[0];
    const FormatChoice frozen = freeze_step(learned_choice(node), step);
    const ValueId made =
        append_rounding(graph, node.inputs[0], frozen, node.attributes.text_or("slot", ""));
    graph.replace_uses(node.outputs[0], made);
  }
  graph.sort();
  graph.remove_dead();
  keep_named_tensors(model);
}

}  // namespace hone
