#include "hone/graph/graph.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/dim.hpp"
#include "hone/graph/op.hpp"

namespace hone {

std::string to_string(const Dim& dim) {
  if (dim.is_fixed()) return std::to_string(dim.offset);
  return dim.offset == 0 ? dim.symbol : fmt::format("{}{:+}", dim.symbol, dim.offset);
}

std::string to_string(const ValueType& type) {
  std::string text = std::string(name_of(type.dtype)) + "[";
  for (std::size_t i = 0; i < type.dims.size(); ++i) {
    if (i != 0) text += ",";
    text += to_string(type.dims[i]);
  }
  return text + "]";
}

Shape evaluate(const ValueType& type, const DimSizes& sizes) {
  Shape shape;
  for (const Dim& dim : type.dims) shape.push_back(evaluate(dim, sizes));
  return shape;
}

ValueId Graph::add_value(const std::string& value_name, ValueType type, ValueKind kind) {
  const auto id = static_cast<ValueId>(values.size());
  if (!names_.emplace(value_name, id).second)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("graph {}: two values are named %{}", name, value_name));
  values.push_back({value_name, std::move(type), kind, none});
  return id;
}

std::string Graph::unique_name(const std::string& wanted) const {
  if (names_.count(wanted) == 0) return wanted;
  const auto numbered = [&](std::int64_t i) { return fmt::format("{}.{}", wanted, i); };
  const auto is_free = [&](std::int64_t i) { return names_.count(numbered(i)) == 0; };
  // The first free one where none is missing before it: a hundred thousand values may share a name.
  std::int64_t taken = 0, free = 1;
  while (!is_free(free)) {
    taken = free;
    free *= 2;
  }
  while (free - taken > 1) {
    const std::int64_t middle = taken + (free - taken) / 2;
    (is_free(middle) ? free : taken) = middle;
  }
  return numbered(free);
}

NodeId Graph::append(const std::string& op_name, std::vector<ValueId> inputs, Options attributes,
                     const std::string& value_name) {
  const Op& op = find_op(op_name);
  attributes = complete_options(op.options, attributes, "[" + op_name + "]");
  OpTypes types{{}, &attributes};
  for (ValueId id : inputs) types.inputs.push_back(id == none ? nullptr : &type(id));
  while (inputs.size() > op.min_inputs && inputs.back() == none) {
    inputs.pop_back();
    types.inputs.pop_back();
  }
  if (inputs.size() < op.min_inputs || inputs.size() > op.max_inputs)
    fail_shapes(op_name, fmt::format("{} to {} inputs", op.min_inputs, op.max_inputs), types);
  for (std::size_t i = 0; i < op.min_inputs; ++i)
    if (inputs[i] == none) fail_shapes(op_name, fmt::format("input {} to be there", i), types);
  const std::vector<ValueType> results = op.infer(types);
  const auto id = static_cast<NodeId>(nodes.size());
  Node made{op_name, std::move(inputs), {}, std::move(attributes), no_group};
  const std::string base = value_name.empty() ? op_name : value_name;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::string wanted = i == 0 ? base : fmt::format("{}:{}", base, i);
    made.outputs.push_back(add_value(unique_name(wanted), results[i], ValueKind::node));
    values.back().producer = id;
  }
  nodes.push_back(std::move(made));
  return id;
}

ValueId Graph::apply(const std::string& op, std::vector<ValueId> inputs, Options attributes,
                     const std::string& value_name) {
  return node(append(op, std::move(inputs), std::move(attributes), value_name)).outputs[0];
}

ValueId Graph::find(const std::string& value_name) const {
  const auto found = names_.find(value_name);
  return found == names_.end() ? none : found->second;
}

NodeId Graph::find_node(const std::string& first_output) const {
  const ValueId id = find(first_output);
  if (id == none || value(id).producer == none) return none;
  const NodeId found = value(id).producer;
  return node(found).outputs[0] == id ? found : none;
}

ValueId Graph::find_output(const std::string& output_name) const {
  for (const auto& [key, id] : outputs)
    if (key == output_name) return id;
  return none;
}

ValueId Graph::output(const std::string& output_name) const {
  if (const ValueId id = find_output(output_name); id != none) return id;
  throw Error(ErrorCode::not_found, fmt::format("graph {} has no output '{}'", name, output_name));
}

std::vector<std::vector<NodeId>> Graph::readers() const {
  std::vector<std::vector<NodeId>> result(values.size());
  for (std::size_t n = 0; n < nodes.size(); ++n)
    for (ValueId id : nodes[n].inputs)
      if (id != none) result[static_cast<std::size_t>(id)].push_back(static_cast<NodeId>(n));
  return result;
}

const Node* Graph::only_reader(ValueId id, const std::vector<std::vector<NodeId>>& readers) const {
  for (const auto& [output_name, output] : outputs)
    if (output == id) return nullptr;
  const auto at = static_cast<std::size_t>(id);
  return at < readers.size() && readers[at].size() == 1 ? &node(readers[at][0]) : nullptr;
}

void Graph::replace_uses(ValueId from, ValueId to) {
  for (Node& n : nodes) std::replace(n.inputs.begin(), n.inputs.end(), from, to);
  for (auto& [key, id] : outputs)
    if (id == from) id = to;
  for (auto& [target, id] : updates)
    if (id == from) id = to;
}

NodeId Graph::compute(ValueId id, const std::string& op, std::vector<ValueId> inputs,
                      Options attributes) {
  const NodeId made = append(op, std::move(inputs), std::move(attributes), value(id).name + ".new");
  const ValueId output = node(made).outputs[0];
  if (!(type(output) == type(id)) || value(id).producer != none)
    throw Error(ErrorCode::internal,
                fmt::format("graph {}: %{} cannot be computed by [{}]", name, value(id).name, op));
  // The new output's own value has no reader and no producer left: remove_dead takes it away.
  node(made).outputs[0] = id;
  value(id).kind = ValueKind::node;
  value(id).producer = made;
  value(id).frozen = false;
  value(output).kind = ValueKind::input;
  value(output).producer = none;
  return made;
}

void Graph::release(ValueId id, ValueKind kind) {
  const NodeId from = value(id).producer;
  for (ValueId& output : node(from).outputs) {
    if (output != id) continue;
    // The node needs an output; without readers both go.
    output = add_value(unique_name(value(id).name + ".old"), type(id), ValueKind::node);
    value(output).producer = from;
  }
  value(id).kind = kind;
  value(id).producer = none;
}

namespace {

// An input that nobody reads may be what a named size is known by.
void keep_inputs_that_give_sizes(const Graph& graph, std::vector<bool>& live) {
  std::set<std::string> needed, given;
  for (std::size_t v = 0; v < graph.values.size(); ++v) {
    if (!live[v]) continue;
    for (const Dim& dim : graph.values[v].type.dims) {
      if (dim.is_fixed()) continue;
      const std::set<std::string> names = names_of(dim);
      needed.insert(names.begin(), names.end());
      if (graph.values[v].kind == ValueKind::input) given.insert(dim.symbol);
    }
  }
  for (std::size_t v = 0; v < graph.values.size(); ++v)
    for (const Dim& dim : graph.values[v].type.dims)
      if (graph.values[v].kind == ValueKind::input && needed.contains(dim.symbol) &&
          given.insert(dim.symbol).second)
        live[v] = true;
}

}  // namespace

void Graph::remove_dead(bool keep_inputs) {
  std::vector<bool> live(values.size(), false);
  for (std::size_t v = 0; keep_inputs && v < values.size(); ++v)
    live[v] = values[v].kind == ValueKind::input;
  for (const auto& [key, id] : outputs) live[static_cast<std::size_t>(id)] = true;
  for (const auto& [target, id] : updates)
    live[static_cast<std::size_t>(id)] = live[static_cast<std::size_t>(target)] = true;
  std::vector<bool> keep(nodes.size(), false);
  for (std::size_t n = nodes.size(); n-- > 0;) {
    for (ValueId id : nodes[n].outputs) keep[n] = keep[n] || live[static_cast<std::size_t>(id)];
    if (!keep[n]) continue;
    for (ValueId id : nodes[n].inputs)
      if (id != none) live[static_cast<std::size_t>(id)] = true;
    for (ValueId id : nodes[n].outputs) live[static_cast<std::size_t>(id)] = true;
  }
  keep_inputs_that_give_sizes(*this, live);
  // Inputs, parameters and states stay only while something names them.
  std::vector<ValueId> renumbered(values.size(), none);
  std::vector<Value> kept_values;
  names_.clear();
  for (std::size_t v = 0; v < values.size(); ++v) {
    if (!live[v]) continue;
    renumbered[v] = static_cast<ValueId>(kept_values.size());
    names_[values[v].name] = renumbered[v];
    kept_values.push_back(std::move(values[v]));
  }
  values = std::move(kept_values);
  std::vector<Node> kept_nodes;
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    if (!keep[n]) continue;
    Node& moved = nodes[n];
    for (ValueId& id : moved.inputs)
      if (id != none) id = renumbered[static_cast<std::size_t>(id)];
    for (ValueId& id : moved.outputs) {
      id = renumbered[static_cast<std::size_t>(id)];
      values[static_cast<std::size_t>(id)].producer = static_cast<NodeId>(kept_nodes.size());
    }
    kept_nodes.push_back(std::move(moved));
  }
  nodes = std::move(kept_nodes);
  for (auto& [key, id] : outputs) id = renumbered[static_cast<std::size_t>(id)];
  for (auto& [target, id] : updates) {
    target = renumbered[static_cast<std::size_t>(target)];
    id = renumbered[static_cast<std::size_t>(id)];
  }
}

void Graph::sort() {
  enum class Mark : std::uint8_t { waiting, open, done };
  std::vector<Mark> marks(nodes.size(), Mark::waiting);
  std::vector<std::size_t> order;
  order.reserve(nodes.size());
  // Nodes whose inputs are looked at, and the next of them: no recursion, graphs may be deep.
  std::vector<std::pair<std::size_t, std::size_t>> stack;
  for (std::size_t first = 0; first < nodes.size(); ++first) {
    if (marks[first] != Mark::waiting) continue;
    marks[first] = Mark::open;
    stack.emplace_back(first, 0);
    while (!stack.empty()) {
      const std::size_t n = stack.back().first;
      const std::size_t i = stack.back().second++;
      if (i == nodes[n].inputs.size()) {
        marks[n] = Mark::done;
        order.push_back(n);
        stack.pop_back();
        continue;
      }
      const ValueId id = nodes[n].inputs[i];
      if (id == none || value(id).producer == none) continue;
      const auto from = static_cast<std::size_t>(value(id).producer);
      if (marks[from] == Mark::open)
        throw Error(ErrorCode::internal, fmt::format("graph {}: its nodes form a cycle", name));
      if (marks[from] == Mark::done) continue;
      marks[from] = Mark::open;
      stack.emplace_back(from, 0);
    }
  }
  std::vector<Node> ordered;
  ordered.reserve(nodes.size());
  for (const std::size_t n : order) {
    for (const ValueId id : nodes[n].outputs)
      value(id).producer = static_cast<NodeId>(ordered.size());
    ordered.push_back(std::move(nodes[n]));
  }
  nodes = std::move(ordered);
}

bool same_computation(const Graph& a, const Graph& b) {
  if (a.values.size() != b.values.size() || a.nodes.size() != b.nodes.size() ||
      a.outputs.size() != b.outputs.size() || a.updates.size() != b.updates.size())
    return false;
  const auto same = [&](ValueId x, ValueId y) {
    return x == none || y == none ? x == y : a.value(x).name == b.value(y).name;
  };
  const auto all_same = [&](const std::vector<ValueId>& x, const std::vector<ValueId>& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), same);
  };
  for (const Value& value : a.values) {
    const ValueId found = b.find(value.name);
    if (found == none) return false;
    const Value& other = b.value(found);
    if (!(other.type == value.type) || other.kind != value.kind || other.frozen != value.frozen)
      return false;
  }
  for (const Node& node : a.nodes) {
    const NodeId found = b.find_node(a.value(node.outputs[0]).name);
    if (found == none) return false;
    const Node& other = b.node(found);
    if (other.op != node.op || !(other.attributes == node.attributes) ||
        other.group != node.group || !all_same(node.inputs, other.inputs) ||
        !all_same(node.outputs, other.outputs))
      return false;
  }
  const auto same_pair = [&](const auto& x, const auto& y) {
    return x.first == y.first && same(x.second, y.second);
  };
  const auto same_update = [&](const auto& x, const auto& y) {
    return same(x.first, y.first) && same(x.second, y.second);
  };
  return std::equal(a.outputs.begin(), a.outputs.end(), b.outputs.begin(), same_pair) &&
         std::equal(a.updates.begin(), a.updates.end(), b.updates.begin(), same_update);
}

}  // namespace hone
