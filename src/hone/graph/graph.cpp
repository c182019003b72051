#include "hone/graph/graph.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/op.hpp"

namespace hone {

std::string to_string(const Dim& dim) {
  if (dim.is_fixed()) return std::to_string(dim.offset);
  return dim.offset == 0 ? dim.symbol : fmt::format("{}{:+}", dim.symbol, dim.offset);
}

std::int64_t evaluate(const Dim& dim, const DimSizes& sizes) {
  if (dim.is_fixed()) return dim.offset;
  const auto found = sizes.find(dim.symbol);
  if (found == sizes.end())
    throw Error(ErrorCode::invalid_argument, "dimension '" + dim.symbol + "' has no size");
  return found->second + dim.offset;
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
  for (int i = 1;; ++i) {
    std::string candidate = fmt::format("{}.{}", wanted, i);
    if (names_.count(candidate) == 0) return candidate;
  }
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
  Node made{op_name, std::move(inputs), {}, std::move(attributes), none};
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

ValueId Graph::output(const std::string& output_name) const {
  for (const auto& [key, id] : outputs)
    if (key == output_name) return id;
  throw Error(ErrorCode::not_found, fmt::format("graph {} has no output '{}'", name, output_name));
}

std::vector<std::vector<NodeId>> Graph::readers() const {
  std::vector<std::vector<NodeId>> result(values.size());
  for (std::size_t n = 0; n < nodes.size(); ++n)
    for (ValueId id : nodes[n].inputs)
      if (id != none) result[static_cast<std::size_t>(id)].push_back(static_cast<NodeId>(n));
  return result;
}

void Graph::replace_uses(ValueId from, ValueId to) {
  for (Node& n : nodes) std::replace(n.inputs.begin(), n.inputs.end(), from, to);
  for (auto& [key, id] : outputs)
    if (id == from) id = to;
  for (auto& [target, id] : updates)
    if (id == from) id = to;
}

void Graph::remove_dead() {
  std::vector<bool> live(values.size(), false);
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
  std::vector<int> waiting(nodes.size(), 0);
  std::vector<std::vector<std::size_t>> followers(nodes.size());
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    for (ValueId id : nodes[n].inputs) {
      if (id == none || value(id).producer == none) continue;
      followers[static_cast<std::size_t>(value(id).producer)].push_back(n);
      ++waiting[n];
    }
  }
  // Always the earliest ready node: a stable order.
  std::vector<std::size_t> ready;
  const auto later = [](std::size_t a, std::size_t b) { return a > b; };
  for (std::size_t n = 0; n < nodes.size(); ++n)
    if (waiting[n] == 0) ready.push_back(n);
  std::make_heap(ready.begin(), ready.end(), later);
  std::vector<Node> ordered;
  ordered.reserve(nodes.size());
  while (!ready.empty()) {
    std::pop_heap(ready.begin(), ready.end(), later);
    const std::size_t n = ready.back();
    ready.pop_back();
    for (std::size_t follower : followers[n]) {
      if (--waiting[follower] > 0) continue;
      ready.push_back(follower);
      std::push_heap(ready.begin(), ready.end(), later);
    }
    for (ValueId id : nodes[n].outputs)
      values[static_cast<std::size_t>(id)].producer = static_cast<NodeId>(ordered.size());
    ordered.push_back(std::move(nodes[n]));
  }
  if (ordered.size() != nodes.size())
    throw Error(ErrorCode::internal, fmt::format("graph {}: its nodes form a cycle", name));
  nodes = std::move(ordered);
}

}  // namespace hone
