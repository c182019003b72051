// The contract of an op: a kind of node. One file in ops/ a member; the file name is the op's name.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "hone/core/options.hpp"
#include "hone/core/tensor.hpp"
#include "hone/graph/graph.hpp"

namespace hone {

// How an op relates to the rows (dimension 0) of its tensors.
enum class RowRule {
  whole,  // needs all of its inputs at once
  rows,   // row r of every output depends on row r of the row inputs and on all of the others
  reduce  // the outputs are sums over the rows of the row inputs
};

// What shape inference sees. An absent optional input has no type (nullptr).
struct OpTypes {
  std::vector<const ValueType*> inputs;
  const Options* attributes;

  std::size_t count() const { return inputs.size(); }
  bool has(std::size_t i) const { return i < inputs.size() && inputs[i] != nullptr; }
  const ValueType& operator[](std::size_t i) const { return *inputs[i]; }
};

// What the reference evaluation sees: whole tensors; outputs are allocated and zeroed. An output
// that updates an input in place (Op::in_place) already holds a copy of it.
struct OpCall {
  std::vector<const Tensor*> inputs;  // nullptr for an absent optional input
  std::vector<Tensor*> outputs;
  const Options* attributes;

  bool has(std::size_t i) const { return i < inputs.size() && inputs[i] != nullptr; }
  const Tensor& in(std::size_t i) const { return *inputs[i]; }
  Tensor& out(std::size_t i) const { return *outputs[i]; }
};

// What a gradient rule sees. Returns one value an input: the gradient, or none.
struct GradientCall {
  Graph& graph;
  NodeId node;
  std::vector<ValueId> output_gradients;  // none where nothing depends on that output

  ValueId in(std::size_t i) const {
    const Node& n = graph.node(node);
    return i < n.inputs.size() ? n.inputs[i] : none;
  }
  ValueId out(std::size_t i) const { return graph.node(node).outputs[i]; }
  // Throws Error(unsupported) where only other outputs lead to the loss: a rule that sees to them
  // looks at output_gradients itself.
  ValueId grad(std::size_t i = 0) const;
  const Options& attributes() const { return graph.node(node).attributes; }
};

// A case that serves comparison with the reference, the gradient test and timing alike.
struct OpSample {
  std::string name;
  std::vector<Tensor> inputs;  // an empty Tensor for an absent optional input
  Options attributes = {};
  // Which inputs the finite-difference test varies; empty: none.
  std::vector<int> differentiable = {};
  // Kernels may differ from the reference by tolerance * (1 + |reference|).
  double tolerance = 1e-5;
};

// Which inputs the pass `quantize` may give a number format.
struct QuantizeSlots {
  std::vector<int> data = {};
  int weight = -1;
  int bias = -1;
  // Data is [N,C,...] and a weight [O,C/groups,...]: products run along dimension 1, and what a
  // format calls a row are a place's channels and a filter.
  bool planes = false;
  // The node rounds its probabilities itself: probabilities_attributes (ops/detail/quantizer.hpp).
  bool probabilities = false;
};

struct Op : Described {
  std::size_t min_inputs = 1;
  std::size_t max_inputs = 1;
  std::vector<std::string> input_names = {};
  RowRule rows = RowRule::whole;
  // Bit i: input i is a row input (its dimension 0 is the rows). Unused for `whole`.
  unsigned row_inputs = 1;
  // Bit i: the outputs are linear in the rows of row input i alone (a gradient in what it is
  // given): rows of zeros give rows of zeros, or add nothing to sums.
  unsigned linear_rows = 0;
  // Cheap to compute again instead of being kept for the backward pass.
  bool cheap = false;
  // Element i of the output depends on element i of the inputs (of one shape) alone.
  bool elementwise = false;
  // Outputs have no negative numbers.
  bool non_negative = false;
  // The outputs do not change with small changes of the inputs: nothing flows back.
  bool zero_gradient = false;
  // The gradient is a straight-through estimate: not the slope, which is zero almost everywhere.
  bool straight_through = false;
  QuantizeSlots slots = {};
  // The output is a changed copy of this input and stands for it: rounded, masked, dropped at
  // random. -1: none.
  int stands_for = -1;
  // Output i overwrites input in_place[i] (a parameter or state).
  std::vector<int> in_place = {};

  // (Functions that may hold data: members of a family differ in that alone.)
  // Output types; throws Error(invalid_argument) with both shapes when the inputs do not fit.
  std::function<std::vector<ValueType>(const OpTypes& types)> infer = nullptr;
  // The definition, in plain scalar code.
  std::function<void(const OpCall& call)> reference = nullptr;
  // Appends the gradient's nodes; null for ops that are not differentiated.
  std::function<std::vector<ValueId>(const GradientCall& call)> gradient = nullptr;
  // Floating-point operations (a multiply-add counts two) for the given input shapes; null: one an
  // output element.
  std::function<double(const std::vector<Shape>& inputs, const Options& attributes)> flop = nullptr;
  std::function<std::vector<OpSample>()> samples = nullptr;
  // Appends a node that computes only the rows `rows` (i32[M]) of the node's outputs, and returns
  // it. Null: for `rows` ops, by gathering the row inputs; for others, it cannot be done.
  std::function<NodeId(Graph& graph, NodeId node, ValueId rows)> narrow = nullptr;
};

// How a node relates to the rows of its tensors: its op's rule where it has rows; `whole` for
// numbers without dimensions.
RowRule row_rule(const Graph& graph, const Node& node);

// Every op (generated from the folder ops/).
const std::vector<Op>& op_table();
// Throws Error(invalid_argument) naming the nearest known op.
const Op& find_op(const std::string& name);

// Throws Error(invalid_argument, "[op] ..."): the form every shape error has.
[[noreturn]] void fail_shapes(const std::string& op, const std::string& expected,
                              const OpTypes& types);
// Evaluates a node by its reference on concrete tensors (allocates the outputs).
std::vector<Tensor> evaluate_reference(const Op& op, const std::vector<const Tensor*>& inputs,
                                       const Options& attributes);

}  // namespace hone
