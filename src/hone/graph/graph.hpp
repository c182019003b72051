// The network as data: nodes (ops) over typed values, in an order in which they can run.
//
// A graph is a plain value: copy it, print it (text.hpp), verify it (verify.hpp), rewrite it
// (passes).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hone/core/dtype.hpp"
#include "hone/core/options.hpp"
#include "hone/core/tensor.hpp"

namespace hone {

// A size: a number ("128"), or named sizes that a batch fixes, in sums and products ("T", "B+1",
// "2*B*S", "floor((H+1)/2)"), plus a number. Made by the functions of dim.hpp, equal sizes have
// equal texts.
struct Dim {
  std::string symbol;
  std::int64_t offset = 0;

  Dim() = default;
  Dim(std::int64_t size)
      : offset(size) {}            // NOLINT(google-explicit-constructor): sizes read as numbers
  Dim(int size) : offset(size) {}  // (0 is no null pointer here)
  Dim(std::string name, std::int64_t plus = 0) : symbol(std::move(name)), offset(plus) {}
  Dim(const char* name) : symbol(name) {}

  bool is_fixed() const { return symbol.empty(); }
  bool operator==(const Dim&) const = default;
};
std::string to_string(const Dim& dim);

// Sizes of the named dimensions, e.g. {"T": 2600, "B": 8}.
using DimSizes = std::map<std::string, std::int64_t>;
// Throws Error(invalid_argument) when a symbol has no size, or the size is negative or too large.
std::int64_t evaluate(const Dim& dim, const DimSizes& sizes);

struct ValueType {
  DType dtype = DType::f32;
  std::vector<Dim> dims;

  bool operator==(const ValueType&) const = default;
};
std::string to_string(const ValueType& type);  // f32[T,128]
Shape evaluate(const ValueType& type, const DimSizes& sizes);

// Places in Graph::values and Graph::nodes. Types of their own: neither is taken for the other, nor
// for a number.
enum class ValueId : std::int32_t {};
enum class NodeId : std::int32_t {};
// No value, and no node.
struct NoId {
  constexpr operator ValueId() const { return ValueId{-1}; }
  constexpr operator NodeId() const { return NodeId{-1}; }
};
inline constexpr NoId none;

enum class ValueKind {
  input,      // given at every run: token ids, labels, the learning rate
  parameter,  // a tensor of the model, trained unless frozen
  buffer,     // a tensor of the model that is kept and saved, never trained: masks, packed bits
  constant,   // made by a pass from tensors of the model: bound like them, not saved
  state,      // kept between runs beside the model: optimizer moments, statistics
  node        // computed
};
// Whether values of a kind hold a tensor of the model, or one that follows from them.
inline bool is_tensor_of_model(ValueKind kind) {
  return kind == ValueKind::parameter || kind == ValueKind::buffer || kind == ValueKind::constant;
}

struct Value {
  std::string name;  // unique, without the leading %
  ValueType type;
  ValueKind kind = ValueKind::node;
  NodeId producer = none;
  bool frozen = false;  // a parameter that is not trained

  bool is_trained() const { return kind == ValueKind::parameter && !frozen; }
};

inline constexpr std::int32_t no_group = -1;

struct Node {
  std::string op;
  std::vector<ValueId> inputs;  // `none` for an optional input that is absent
  std::vector<ValueId> outputs;
  Options attributes;
  // Nodes of one group run tile by tile over their rows (passes/group_rows).
  std::int32_t group = no_group;
};

struct Graph {
  std::string name;
  std::vector<Value> values;
  std::vector<Node> nodes;                               // in an order in which they can run
  std::vector<std::pair<std::string, ValueId>> outputs;  // what a run returns, by name
  // At the end of a run the parameter, buffer or state `first` holds `second`.
  std::vector<std::pair<ValueId, ValueId>> updates;

  ValueId add_value(const std::string& value_name, ValueType type, ValueKind kind);
  ValueId input(const std::string& value_name, ValueType type) {
    return add_value(value_name, std::move(type), ValueKind::input);
  }
  ValueId parameter(const std::string& value_name, ValueType type) {
    return add_value(value_name, std::move(type), ValueKind::parameter);
  }
  ValueId buffer(const std::string& value_name, ValueType type) {
    return add_value(value_name, std::move(type), ValueKind::buffer);
  }
  // Appends a node; checks it and infers its output types. `value_name` names the first output
  // (made unique; "" takes the op's name). Returns the first output. Throws Error(invalid_argument)
  // naming the op and the shapes.
  ValueId apply(const std::string& op, std::vector<ValueId> inputs, Options attributes = {},
                const std::string& value_name = "");
  // The same, returning the node (for ops with several outputs).
  NodeId append(const std::string& op, std::vector<ValueId> inputs, Options attributes = {},
                const std::string& value_name = "");

  const ValueType& type(ValueId id) const { return values[static_cast<std::size_t>(id)].type; }
  const Value& value(ValueId id) const { return values[static_cast<std::size_t>(id)]; }
  Value& value(ValueId id) { return values[static_cast<std::size_t>(id)]; }
  // The node that computes a value; null for the others and for `none`.
  const Node* producer(ValueId id) const {
    return id == none || value(id).producer == none ? nullptr : &node(value(id).producer);
  }
  // The same if it is of that op, else null.
  const Node* producer(ValueId id, std::string_view op) const {
    const Node* found = producer(id);
    return found != nullptr && found->op == op ? found : nullptr;
  }
  // The node whose first output has that name, or none.
  NodeId find_node(const std::string& first_output) const;
  const Node& node(NodeId id) const { return nodes[static_cast<std::size_t>(id)]; }
  Node& node(NodeId id) { return nodes[static_cast<std::size_t>(id)]; }
  // The opposite: the node goes (its other outputs must have no readers), the value stays and is
  // not computed any more. remove_dead() is left to the caller.
  void release(ValueId id, ValueKind kind);
  // The value of that name, or none.
  ValueId find(const std::string& value_name) const;
  // The output of that name; `find_output`: or none.
  ValueId output(const std::string& output_name) const;
  ValueId find_output(const std::string& output_name) const;
  std::string unique_name(const std::string& wanted) const;

  // Nodes reading each value, by value.
  std::vector<std::vector<NodeId>> readers() const;
  // The node that alone, and once, reads a value which is no output, else null; null too for values
  // that were made after `readers`.
  const Node* only_reader(ValueId id, const std::vector<std::vector<NodeId>>& readers) const;
  // Replaces every read of `from` (in nodes, outputs and updates) by `to`.
  void replace_uses(ValueId from, ValueId to);
  // Makes a value that is not computed the first output of a new node, in its place and by its
  // name: what reads it reads the node. Returns the node; sort() and remove_dead() are left to the
  // caller. Throws as append does, and Error(internal) when the node gives another type.
  NodeId compute(ValueId id, const std::string& op, std::vector<ValueId> inputs,
                 Options attributes = {});
  // Drops nodes whose outputs nobody needs, then values nobody names (inputs too, unless they are
  // kept); renumbers both.
  void remove_dead(bool keep_inputs = false);
  // Puts the nodes into an order in which they can run, each as late as the first that reads it
  // asks for; throws Error on a cycle.
  void sort();

private:
  std::map<std::string, ValueId> names_;
  friend Graph parse_graph(std::string_view text, const std::string& where);
};

// Whether two graphs hold the same nodes over the same values, whatever their order.
bool same_computation(const Graph& a, const Graph& b);

}  // namespace hone
