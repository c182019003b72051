// The network as data: nodes (ops) over typed values, in an order in which they can run.
//
// A graph is a plain value: copy it, print it (text.hpp), verify it (verify.hpp), rewrite it
// (passes).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "hone/core/dtype.hpp"
#include "hone/core/options.hpp"
#include "hone/core/tensor.hpp"

namespace hone {

// A size: a number ("128"), or a named size that a batch fixes, plus a number ("T", "B+1").
struct Dim {
  std::string symbol;
  std::int64_t offset = 0;

  Dim() = default;
  Dim(std::int64_t size)
      : offset(size) {}  // NOLINT(google-explicit-constructor): sizes read as numbers
  Dim(std::string name, std::int64_t plus = 0) : symbol(std::move(name)), offset(plus) {}
  Dim(const char* name) : symbol(name) {}

  bool is_fixed() const { return symbol.empty(); }
  bool operator==(const Dim&) const = default;
};
std::string to_string(const Dim& dim);

// Sizes of the named dimensions, e.g. {"T": 2600, "B": 8}.
using DimSizes = std::map<std::string, std::int64_t>;
// Throws Error(invalid_argument) when the symbol has no size.
std::int64_t evaluate(const Dim& dim, const DimSizes& sizes);

struct ValueType {
  DType dtype = DType::f32;
  std::vector<Dim> dims;

  bool operator==(const ValueType&) const = default;
};
std::string to_string(const ValueType& type);  // f32[T,128]
Shape evaluate(const ValueType& type, const DimSizes& sizes);

using ValueId = std::int32_t;
using NodeId = std::int32_t;
inline constexpr std::int32_t none = -1;

enum class ValueKind {
  input,      // given at every run: token ids, labels, the learning rate
  parameter,  // a trained tensor of the model
  state,      // kept between runs beside the parameters: optimizer moments
  node        // computed
};

struct Value {
  std::string name;  // unique, without the leading %
  ValueType type;
  ValueKind kind = ValueKind::node;
  NodeId producer = none;
};

struct Node {
  std::string op;
  std::vector<ValueId> inputs;  // `none` for an optional input that is absent
  std::vector<ValueId> outputs;
  Options attributes;
  // Nodes of one group run tile by tile over their rows (passes/group_rows); none: on its own.
  std::int32_t group = none;
};

struct Graph {
  std::string name;
  std::vector<Value> values;
  std::vector<Node> nodes;                               // in an order in which they can run
  std::vector<std::pair<std::string, ValueId>> outputs;  // what a run returns, by name
  // At the end of a run the parameter or state `first` holds `second`.
  std::vector<std::pair<ValueId, ValueId>> updates;

  ValueId add_value(const std::string& value_name, ValueType type, ValueKind kind);
  ValueId input(const std::string& value_name, ValueType type) {
    return add_value(value_name, std::move(type), ValueKind::input);
  }
  ValueId parameter(const std::string& value_name, ValueType type) {
    return add_value(value_name, std::move(type), ValueKind::parameter);
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
  const Node& node(NodeId id) const { return nodes[static_cast<std::size_t>(id)]; }
  Node& node(NodeId id) { return nodes[static_cast<std::size_t>(id)]; }
  // The value of that name, or none.
  ValueId find(const std::string& value_name) const;
  ValueId output(const std::string& output_name) const;
  std::string unique_name(const std::string& wanted) const;

  // Nodes reading each value, by value.
  std::vector<std::vector<NodeId>> readers() const;
  // Replaces every read of `from` (in nodes, outputs and updates) by `to`.
  void replace_uses(ValueId from, ValueId to);
  // Drops nodes whose outputs nobody needs, then values nobody names; renumbers both.
  void remove_dead();
  // Puts the nodes into an order in which they can run (stable); throws Error on a cycle.
  void sort();

private:
  std::map<std::string, ValueId> names_;
  friend Graph parse_graph(std::string_view text, const std::string& where);
};

}  // namespace hone
