#include "hone/passes/detail/known_number.hpp"

#include <cmath>

#include "hone/ops/detail/numbers.hpp"

namespace hone {

std::optional<double> known_number(const Graph& graph, const TensorStore& tensors, ValueId id) {
  for (const Node* node = graph.producer(id);
       node != nullptr && (node->op == "expand" || node->op == "reshape");
       node = graph.producer(id))
    id = node->inputs[0];
  const Value& value = graph.value(id);
  if (!is_tensor_of_model(value.kind) || !is_real(value.type.dtype)) return std::nullopt;
  const Tensor& tensor = tensors.at(value.name);
  if (tensor.size() != 1) return std::nullopt;
  const double number = real_at(tensor, 0);
  return std::isfinite(number) ? std::optional<double>(number) : std::nullopt;
}

std::pair<double, ValueId> without_factor(const Graph& graph, const TensorStore& tensors,
                                          ValueId id) {
  double factor = 1;
  for (;;) {
    const Node* node = graph.producer(id);
    if (node == nullptr) break;
    if (node->op == "scale") {
      factor *= node->attributes.real("factor");
      id = node->inputs[0];
      continue;
    }
    if (node->op != "mul" && node->op != "div") break;
    if (const auto right = known_number(graph, tensors, node->inputs[1]);
        right && (node->op == "mul" || *right != 0)) {
      factor = node->op == "mul" ? factor * *right : factor / *right;
      id = node->inputs[0];
      continue;
    }
    const auto left = known_number(graph, tensors, node->inputs[0]);
    if (!left || node->op == "div") break;
    factor *= *left;
    id = node->inputs[1];
  }
  return {factor, id};
}

}  // namespace hone
