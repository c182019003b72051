// Products with masked weights of which few numbers are left run on those numbers:
//
//   %y = linear(%x, %w, %b)   =>   %y = linear_sparse(%x, %w.values, %w.columns, %w.rows, %b)
//
// For weights that a mask went into (constants that fold_weights made), where the estimate of
// choose_sparse is below max_cost: elsewhere the dense product is faster.
#include <algorithm>

#include "hone/graph/op.hpp"
#include "hone/passes/pass.hpp"
#include "hone/passes/sparse_products.hpp"

namespace hone {
namespace {
namespace fuse_sparse_pass {

ValueId constant(Graph& graph, TensorStore& tensors, const std::string& name, Tensor tensor) {
  const ValueId id = graph.add_value(graph.unique_name(name),
                                     {tensor.dtype(), {Dim(tensor.size())}}, ValueKind::constant);
  tensors.set(graph.value(id).name, std::move(tensor));
  return id;
}

template <typename T>
Tensor vector_of(DType dtype, const std::vector<T>& numbers) {
  return Tensor::from<T>(dtype, {static_cast<std::int64_t>(numbers.size())}, numbers);
}

int run(const PassCall& call) {
  Graph& graph = call.graph;
  if (call.tensors == nullptr || !graph.updates.empty()) return 0;
  int changes = 0;
  const std::size_t count = graph.nodes.size();
  for (std::size_t n = 0; n < count; ++n) {
    const Node node = graph.nodes[n];
    if (node.op != "linear" || graph.value(node.inputs[1]).kind != ValueKind::constant) continue;
    const std::string name = graph.value(node.inputs[1]).name;
    const Tensor weight = call.tensors->at(name);
    const std::int64_t group = choose_sparse(weight, call.options.real("max_cost")).group;
    if (group == 0) continue;
    std::vector<float> values;
    std::vector<std::int32_t> columns, rows{0};
    const std::int64_t outputs = weight.shape()[0], inputs_count = weight.shape()[1];
    for (std::int64_t first = 0; first < outputs; first += group) {
      const float* row = weight.as<float>() + first * inputs_count;
      for (std::int64_t c = 0; c < inputs_count; ++c) {
        bool any = false;
        for (std::int64_t r = 0; r < group; ++r) any |= row[r * inputs_count + c] != 0;
        if (!any) continue;
        for (std::int64_t r = 0; r < group; ++r) values.push_back(row[r * inputs_count + c]);
        columns.push_back(static_cast<std::int32_t>(c));
      }
      rows.push_back(static_cast<std::int32_t>(columns.size()));
    }
    const std::vector<ValueId> inputs{
        node.inputs[0],
        constant(graph, *call.tensors, name + ".values", vector_of(DType::f32, values)),
        constant(graph, *call.tensors, name + ".columns", vector_of(DType::i32, columns)),
        constant(graph, *call.tensors, name + ".rows", vector_of(DType::i32, rows)),
        node.inputs.size() > 2 ? node.inputs[2] : none};
    graph.replace_uses(node.outputs[0], graph.apply("linear_sparse", inputs, {{"group", group}},
                                                    graph.value(node.outputs[0]).name + ".sparse"));
    ++changes;
  }
  graph.sort();
  graph.remove_dead();
  return changes;
}

}  // namespace fuse_sparse_pass
}  // namespace

Pass pass_fuse_sparse() {
  using namespace fuse_sparse_pass;
  Pass pass{{"fuse_sparse",
             "products with masked weights run on the numbers that are left",
             {{"max_cost", OptionType::real, max_sparse_cost,
               "largest estimate of their time, where the dense product's is 1", 0.0, 1e9}}}};
  pass.run = run;
  return pass;
}

}  // namespace hone
