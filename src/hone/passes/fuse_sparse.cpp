// Products with masked weights of which few numbers are left run on those numbers:
//
//   %y = linear(%x, %w, %b)   =>   %y = linear_sparse(%x, %w.values, %w.columns, %w.rows, %b)
//
// For weights that a mask went into (constants that fold_weights made), where at most max_density
// of the numbers are not zero: above, the dense product is faster.
#include <algorithm>

#include "hone/graph/op.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {

// Inputs whose rows stay in the first cache (linear_sparse).
constexpr std::int64_t chunk = 64;

ValueId constant(Graph& graph, TensorStore& tensors, const std::string& name, Tensor tensor) {
  const ValueId id = graph.add_value(graph.unique_name(name),
                                     {tensor.dtype(), {Dim(tensor.size())}}, ValueKind::constant);
  tensors.set(graph.value(id).name, std::move(tensor));
  return id;
}

int run(const PassCall& call) {
  Graph& graph = call.graph;
  if (call.tensors == nullptr || !graph.updates.empty()) return 0;
  int changes = 0;
  const std::size_t count = graph.nodes.size();
  for (std::size_t n = 0; n < count; ++n) {
    const Node node = graph.nodes[n];
    if (node.op != "linear" || graph.value(node.inputs[1]).kind != ValueKind::constant) continue;
    const Tensor weight = call.tensors->at(graph.value(node.inputs[1]).name);
    std::vector<float> values;
    std::vector<std::int32_t> columns, rows{0};
    const auto limit = static_cast<std::size_t>(call.options.real("max_density") *
                                                static_cast<double>(weight.size()));
    const std::int64_t outputs = weight.shape()[0], inputs_count = weight.shape()[1];
    for (std::int64_t begin = 0; begin < inputs_count && values.size() <= limit; begin += chunk)
      for (std::int64_t r = 0; r < outputs; ++r) {
        const float* row = weight.as<float>() + r * inputs_count;
        for (std::int64_t c = begin; c < std::min(inputs_count, begin + chunk); ++c) {
          if (row[c] == 0) continue;
          values.push_back(row[c]);
          columns.push_back(static_cast<std::int32_t>(c));
        }
        rows.push_back(static_cast<std::int32_t>(values.size()));
      }
    if (values.size() > limit) continue;
    const std::string name = graph.value(node.inputs[1]).name;
    const auto size = static_cast<std::int64_t>(values.size());
    std::vector<ValueId> inputs{
        node.inputs[0],
        constant(graph, *call.tensors, name + ".values",
                 Tensor::from<float>(DType::f32, {size}, values)),
        constant(graph, *call.tensors, name + ".columns",
                 Tensor::from<std::int32_t>(DType::i32, {size}, columns)),
        constant(
            graph, *call.tensors, name + ".rows",
            Tensor::from<std::int32_t>(DType::i32, {static_cast<std::int64_t>(rows.size())}, rows)),
        node.inputs.size() > 2 ? node.inputs[2] : none};
    graph.replace_uses(node.outputs[0], graph.apply("linear_sparse", inputs, {{"chunk", chunk}},
                                                    graph.value(node.outputs[0]).name + ".sparse"));
    ++changes;
  }
  graph.sort();
  graph.remove_dead();
  return changes;
}

}  // namespace

Pass pass_fuse_sparse() {
  Pass pass{{"fuse_sparse",
             "products with masked weights run on the numbers that are left",
             {{"max_density", OptionType::real, 0.3, "largest share of numbers that are not zero",
               0.0, 1.0}}}};
  pass.run = run;
  return pass;
}

}  // namespace hone
