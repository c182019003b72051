#include "hone/run/nonfinite.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace hone {
namespace {

struct Counts {
  std::int64_t nans = 0, infinities = 0;
  double largest = 0;  // of the finite ones
};

Counts count(const Tensor& tensor) {
  Counts counts;
  if (tensor.empty() || tensor.dtype() != DType::f32) return counts;
  for (const float value : tensor.span<float>()) {
    if (std::isnan(value))
      ++counts.nans;
    else if (std::isinf(value))
      ++counts.infinities;
    else
      counts.largest = std::max(counts.largest, static_cast<double>(std::abs(value)));
  }
  return counts;
}

std::string counted(std::int64_t nans, std::int64_t infinities) {
  return fmt::format("{} NaN and {} {}", nans, infinities,
                     infinities == 1 ? "infinity" : "infinities");
}

// The graph with every real-valued node an output, one by one: no groups, whose values are gone.
Graph expose(const Graph& graph) {
  Graph exposed = graph;
  exposed.outputs.clear();
  for (Node& node : exposed.nodes) {
    node.group = no_group;
    for (const ValueId id : node.outputs)
      if (exposed.type(id).dtype == DType::f32)
        exposed.outputs.emplace_back(exposed.value(id).name, id);
  }
  return exposed;
}

}  // namespace

std::string NonFinite::text() const {
  if (bad_weights())
    return fmt::format("node '{}' [{}], whose parameter '{}' holds {}", node, op, parameter,
                       counted(nans, infinities));
  return fmt::format("node '{}' [{}], which gives {} for finite numbers of up to {:.3g}", node, op,
                     counted(nans, infinities), largest_input);
}

bool is_finite(const Tensor& tensor) {
  const auto values = tensor.span<float>();
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

std::optional<NonFinite> find_nonfinite(const Executor& executor,
                                        const std::map<std::string, Tensor>& inputs) {
  if (!executor.graph().updates.empty()) return std::nullopt;
  Executor exposed(expose(executor.graph()), executor.options());
  const Graph& graph = exposed.graph();
  std::map<std::string, Tensor> known = inputs;
  for (std::size_t v = 0; v < graph.values.size(); ++v) {
    const Value& value = graph.values[v];
    if (!is_tensor_of_model(value.kind) && value.kind != ValueKind::state) continue;
    known[value.name] = executor.bound(static_cast<ValueId>(v));
    exposed.bind(value.name, known[value.name]);
  }
  for (auto& [name, tensor] : exposed.run(inputs)) known[name] = std::move(tensor);
  for (const Node& node : graph.nodes) {
    Counts made;
    for (const ValueId id : node.outputs) {
      const Counts one = count(known[graph.value(id).name]);
      made.nans += one.nans;
      made.infinities += one.infinities;
    }
    if (made.nans + made.infinities == 0) continue;
    NonFinite found{graph.value(node.outputs[0]).name, node.op, "", made.nans, made.infinities, 0};
    for (const ValueId id : node.inputs) {
      if (id == none) continue;
      const Counts read = count(known[graph.value(id).name]);
      found.largest_input = std::max(found.largest_input, read.largest);
      if (!is_tensor_of_model(graph.value(id).kind) || read.nans + read.infinities == 0) continue;
      found.parameter = graph.value(id).name;
      found.nans = read.nans;
      found.infinities = read.infinities;
      break;
    }
    return found;
  }
  return std::nullopt;
}

}  // namespace hone
