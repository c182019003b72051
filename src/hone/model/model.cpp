#include "hone/model/model.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/weight.hpp"

namespace hone {

std::string head_weight(const Model& model) {
  const ValueId logits = model.graph.find_output("logits");
  if (logits == none) return "";
  const Node* node = model.graph.producer(behind(model.graph, logits));
  const int slot = node == nullptr ? -1 : find_op(node->op).slots.weight;
  if (slot < 0) return "";
  return model.graph.value(behind(model.graph, node->inputs[static_cast<std::size_t>(slot)])).name;
}

std::int64_t parameter_count(const Model& model) {
  std::int64_t count = 0;
  for (std::size_t v = 0; v < model.graph.values.size(); ++v)
    if (is_weight(model.graph, static_cast<ValueId>(v)))
      count += element_count(evaluate(model.graph.values[v].type, {}));
  return count;
}

std::int64_t tensor_bytes(const Model& model) {
  std::int64_t bytes = 0;
  for (const std::string& name : model.tensors.names())
    bytes += static_cast<std::int64_t>(model.tensors.at(name).bytes());
  return bytes;
}

void keep_named_tensors(Model& model) {
  TensorStore kept;
  for (const Value& value : model.graph.values) {
    if (value.kind != ValueKind::parameter && value.kind != ValueKind::buffer) continue;
    if (!model.tensors.contains(value.name))
      throw Error(ErrorCode::internal,
                  fmt::format("{}: the graph names %{}, the model has no such tensor", model.name,
                              value.name));
    const Tensor& tensor = model.tensors.at(value.name);
    if (tensor.dtype() != value.type.dtype || tensor.shape() != evaluate(value.type, {}))
      throw Error(
          ErrorCode::internal,
          fmt::format("{}: %{} is {} in the graph, its tensor is {}{}", model.name, value.name,
                      to_string(value.type), name_of(tensor.dtype()), to_string(tensor.shape())));
    kept.set(value.name, tensor);
  }
  model.tensors = std::move(kept);
}

}  // namespace hone
