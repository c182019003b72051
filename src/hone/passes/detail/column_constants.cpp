#include "hone/passes/detail/column_constants.hpp"

#include <algorithm>

#include "hone/graph/op.hpp"
#include "hone/passes/packing.hpp"

namespace hone {
namespace {

using Constants = std::vector<std::optional<float>>;

bool row_is_zero(const Tensor& w, std::int64_t row) {
  const std::int64_t columns = w.shape()[1];
  const float* at = w.as<float>() + row * columns;
  return std::all_of(at, at + columns, [](float value) { return value == 0; });
}

}  // namespace

bool is_data_matrix(const Graph& graph, ValueId id) {
  const std::vector<Dim>& dims = graph.type(id).dims;
  return graph.type(id).dtype == DType::f32 && dims.size() == 2 && dims[1].is_fixed();
}

std::int64_t columns_of(const Graph& graph, ValueId id) { return graph.type(id).dims[1].offset; }

ValueId input_of(const Node& node, std::size_t i) {
  return i < node.inputs.size() ? node.inputs[i] : none;
}

ColumnConstants::ColumnConstants(const Model& model) : model_(model) {
  for (const Node& node : model.graph.nodes) {
    const ValueId y = node.outputs[0];
    if (!is_data_matrix(model.graph, y)) continue;
    Constants made;
    if (node.op == "linear") {
      made = of_product(node);
    } else if (node.op == "dropout" || node.op == "gather_rows") {
      made = of(node.inputs[0]);
    } else if (node.op == "attention") {
      // Probabilities add up to one: where all tokens have the same value, so has their mix.
      made = of(node.inputs[2]);
    } else if (find_op(node.op).elementwise && node.inputs.size() == 1 &&
               is_data_matrix(model.graph, node.inputs[0])) {
      made = mapped(node);
    }
    if (!made.empty()) known_[y] = std::move(made);
  }
}

Constants ColumnConstants::of(ValueId id) const {
  const auto known = known_.find(id);
  return known != known_.end() ? known->second
                               : Constants(static_cast<std::size_t>(columns_of(model_.graph, id)));
}

Constants ColumnConstants::of_product(const Node& node) const {
  Constants made(static_cast<std::size_t>(columns_of(model_.graph, node.outputs[0])));
  const Tensor weight = effective_weight(model_, node.inputs[1]);
  const ValueId bias = input_of(node, 2);
  const Tensor offset = bias == none ? Tensor() : effective_weight(model_, bias);
  for (std::size_t j = 0; j < made.size(); ++j)
    if (row_is_zero(weight, static_cast<std::int64_t>(j)))
      made[j] = bias == none ? 0.0f : offset.as<float>()[j];
  return made;
}

// Of an op of one input that works number by number.
Constants ColumnConstants::mapped(const Node& node) const {
  Constants made = of(node.inputs[0]);
  Tensor x(DType::f32, {1, static_cast<std::int64_t>(made.size())});
  for (std::size_t j = 0; j < made.size(); ++j) x.as<float>()[j] = made[j].value_or(0.0f);
  const Tensor y = evaluate_reference(find_op(node.op), {&x}, node.attributes)[0];
  for (std::size_t j = 0; j < made.size(); ++j)
    if (made[j]) made[j] = y.as<float>()[j];
  return made;
}

}  // namespace hone
