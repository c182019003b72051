#include "hone/graph/op.hpp"

#include <unordered_map>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {

const Op& find_op(const std::string& name) {
  static const auto by_name = [] {
    std::unordered_map<std::string, const Op*> map;
    for (const Op& op : op_table()) map[op.name] = &op;
    return map;
  }();
  const auto found = by_name.find(name);
  if (found != by_name.end()) return *found->second;
  std::vector<std::string> names;
  for (const Op& op : op_table()) names.push_back(op.name);
  throw Error(ErrorCode::invalid_argument, "unknown op '" + name + "'", did_you_mean(name, names));
}

RowRule row_rule(const Graph& graph, const Node& node) {
  const Op& op = find_op(node.op);
  if (op.rows == RowRule::whole) return RowRule::whole;
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if ((op.row_inputs >> i & 1u) != 0 && node.inputs[i] != none &&
        graph.type(node.inputs[i]).dims.empty())
      return RowRule::whole;
  return op.rows;
}

ValueId GradientCall::grad(std::size_t i) const {
  if (output_gradients[i] != none) return output_gradients[i];
  throw Error(
      ErrorCode::unsupported,
      fmt::format("[{}] has a gradient by %{} only, which nothing that leads to the loss reads",
                  graph.node(node).op, graph.value(out(i)).name));
}

void fail_shapes(const std::string& op, const std::string& expected, const OpTypes& types) {
  std::string given;
  for (const ValueType* type : types.inputs) {
    if (!given.empty()) given += ", ";
    given += type == nullptr ? "(absent)" : to_string(*type);
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("[{}] expected {}, got {}", op, expected, given));
}

std::vector<Tensor> evaluate_reference(const Op& op, const std::vector<const Tensor*>& inputs,
                                       const Options& attributes) {
  std::vector<ValueType> types(inputs.size());
  OpTypes seen{{}, &attributes};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] != nullptr) {
      types[i].dtype = inputs[i]->dtype();
      for (std::int64_t size : inputs[i]->shape()) types[i].dims.emplace_back(size);
    }
    seen.inputs.push_back(inputs[i] != nullptr ? &types[i] : nullptr);
  }
  const std::vector<ValueType> results = op.infer(seen);
  std::vector<Tensor> outputs;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (i < op.in_place.size() && op.in_place[i] >= 0) {
      outputs.push_back(inputs[static_cast<std::size_t>(op.in_place[i])]->clone());
    } else {
      outputs.emplace_back(results[i].dtype, evaluate(results[i], {}));
    }
  }
  OpCall call{inputs, {}, &attributes};
  for (Tensor& output : outputs) call.outputs.push_back(&output);
  op.reference(call);
  return outputs;
}

}  // namespace hone
