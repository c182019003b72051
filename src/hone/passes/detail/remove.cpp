#include "hone/passes/remove.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/weight.hpp"
#include "hone/passes/detail/channels.hpp"
#include "hone/passes/detail/column_constants.hpp"
#include "hone/passes/lora.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/quantization.hpp"

namespace hone {
namespace {

using Flags = std::vector<bool>;

std::int64_t count(const Flags& flags) { return std::count(flags.begin(), flags.end(), true); }

// Numbers of a tensor along its dimension 0 or 1 that are kept.
Tensor slice(const Tensor& tensor, const Flags& dropped, int dimension) {
  const Shape& shape = tensor.shape();
  Shape smaller = shape;
  smaller[static_cast<std::size_t>(dimension)] -= count(dropped);
  Tensor result(tensor.dtype(), smaller);
  const std::int64_t columns = shape.size() == 1 ? 1 : shape[1];
  std::size_t size = size_of(tensor.dtype());
  for (std::size_t d = 2; d < shape.size(); ++d) size *= static_cast<std::size_t>(shape[d]);
  const auto* from = static_cast<const std::byte*>(tensor.data());
  auto* to = static_cast<std::byte*>(result.data());
  for (std::int64_t r = 0; r < shape[0]; ++r)
    for (std::int64_t c = 0; c < columns; ++c) {
      if (dropped[static_cast<std::size_t>(dimension == 0 ? r : c)]) continue;
      std::copy_n(from + static_cast<std::size_t>(r * columns + c) * size, size, to);
      to += size;
    }
  return result;
}

class Remover {
public:
  explicit Remover(Model& model) : model_(model), graph_(model.graph) {}

  Removal run() {
    removal_.parameters_before = parameter_count(model_);
    while (fold_constant_columns()) {
    }
    drop_branches();
    drop_columns();
    drop_channels();
    drop_full_masks();
    infer_types();
    graph_.sort();
    graph_.remove_dead();
    keep_named_tensors(model_);
    removal_.parameters_after = parameter_count(model_);
    return removal_;
  }

private:
  // --- what the graph says

  std::int64_t columns_of(ValueId id) const { return hone::columns_of(graph_, id); }
  bool is_matrix(ValueId id) const { return is_data_matrix(graph_, id); }
  static ValueId input(const Node& node, std::size_t i) { return input_of(node, i); }
  std::vector<NodeId> readers_of(ValueId id) const {
    std::vector<NodeId> list;
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n)
      for (const ValueId read : graph_.nodes[n].inputs)
        if (read == id) list.push_back(static_cast<NodeId>(n));
    return list;
  }
  bool is_output(ValueId id) const {
    return std::any_of(graph_.outputs.begin(), graph_.outputs.end(),
                       [&](const auto& output) { return output.second == id; });
  }
  ValueId own_parameter(ValueId read) const {
    return hone::own_parameter(graph_, graph_.readers(), read);
  }

  // --- columns that are the same for every row

  static bool is_zero(const Tensor& tensor) {
    const auto numbers = tensor.span<float>();
    return std::all_of(numbers.begin(), numbers.end(), [](float value) { return value == 0; });
  }
  static bool column_is_zero(const Tensor& w, std::int64_t column) {
    for (std::int64_t r = 0; r < w.shape()[0]; ++r)
      if (w.as<float>()[r * w.shape()[1] + column] != 0) return false;
    return true;
  }

  // Moves the share of constant columns of what a product reads into its bias. A product may become
  // one of zeros by it, whose own columns are constant then: again.
  bool fold_constant_columns() {
    const ColumnConstants known(model_);
    bool changed = false;
    for (const Node& node : graph_.nodes) {
      if (node.op != "linear") continue;
      const ValueId weight = own_parameter(node.inputs[1]);
      const ValueId bias = own_parameter(input(node, 2));
      const auto constants = known.of(node.inputs[0]);
      if (weight == none) continue;
      const Tensor effective = effective_weight(model_, node.inputs[1]);
      Tensor w = effective, b;
      for (std::size_t j = 0; j < constants.size(); ++j) {
        const auto column = static_cast<std::int64_t>(j);
        if (!constants[j] || column_is_zero(w, column) || (bias == none && *constants[j] != 0))
          continue;
        if (b.empty()) {
          w = effective.clone();
          if (bias != none) b = effective_weight(model_, node.inputs[2]).clone();
        }
        for (std::int64_t r = 0; r < w.shape()[0]; ++r) {
          float& number = w.as<float>()[r * w.shape()[1] + column];
          if (bias != none) b.as<float>()[r] += number * *constants[j];
          number = 0;
        }
        model_.tensors.set(graph_.value(weight).name, w);
        if (bias != none) model_.tensors.set(graph_.value(bias).name, b);
        changed = true;
      }
    }
    return changed;
  }

  // --- products of zeros

  // The addition that alone reads a value, through dropout, and the value that it is added to.
  std::optional<std::pair<NodeId, ValueId>> residual_of(ValueId y) const {
    for (;;) {
      const std::vector<NodeId> readers = readers_of(y);
      if (readers.size() != 1 || is_output(y)) return std::nullopt;
      const Node& reader = graph_.node(readers[0]);
      if (reader.op == "dropout") {
        y = reader.outputs[0];
        continue;
      }
      if (reader.op != "add") return std::nullopt;
      const ValueId other = reader.inputs[0] == y ? reader.inputs[1] : reader.inputs[0];
      if (other == y || !(graph_.type(other) == graph_.type(reader.outputs[0])))
        return std::nullopt;
      return std::pair(readers[0], other);
    }
  }

  void drop_branches() {
    const std::size_t nodes = graph_.nodes.size();
    for (std::size_t n = 0; n < nodes; ++n) {
      const Node node = graph_.nodes[n];
      if (node.op != "linear") continue;
      if (!is_zero(effective_weight(model_, node.inputs[1]))) continue;
      const auto residual = residual_of(node.outputs[0]);
      if (!residual) continue;
      const ValueId sum = graph_.node(residual->first).outputs[0];
      const ValueId bias = input(node, 2);
      const bool zero = bias == none || is_zero(effective_weight(model_, bias));
      ValueId replacement = residual->second;
      if (!zero)
        replacement = graph_.apply(
            "add", {graph_.apply("broadcast_rows", {bias, residual->second}), residual->second});
      graph_.replace_uses(sum, replacement);
      removal_.branches.push_back(graph_.value(node.outputs[0]).name);
    }
    graph_.sort();
    graph_.remove_dead();
  }

  // --- columns that nobody reads

  // By value: columns that have no effect. A value that is not there has none.
  Flags dead_of(ValueId id) const {
    const auto known = dead_.find(id);
    return known != dead_.end() ? known->second
                                : Flags(static_cast<std::size_t>(columns_of(id)), false);
  }

  // What one reader does not need of a value.
  Flags unread_by(const Node& reader, ValueId id) const {
    Flags nothing(static_cast<std::size_t>(columns_of(id)), false);
    if (reader.op == "linear") {
      if (reader.inputs[0] != id || input(reader, 1) == id) return nothing;
      if (own_parameter(reader.inputs[1]) == none) return nothing;
      const Tensor weight = effective_weight(model_, reader.inputs[1]);
      Flags dead = nothing;
      for (std::size_t j = 0; j < dead.size(); ++j)
        dead[j] = column_is_zero(weight, static_cast<std::int64_t>(j));
      return dead;
    }
    const bool same_shape =
        is_matrix(reader.outputs[0]) && columns_of(reader.outputs[0]) == columns_of(id);
    const bool passes = find_op(reader.op).elementwise || reader.op == "attention" ||
                        (reader.op == "gather_rows" && reader.inputs[0] == id);
    return passes && same_shape ? dead_of(reader.outputs[0]) : nothing;
  }

  void find_dead() {
    dead_.clear();
    for (std::size_t n = graph_.nodes.size(); n-- > 0;) {
      const Node& node = graph_.nodes[n];
      const ValueId y = node.outputs[0];
      if (!is_matrix(y) || is_output(y)) continue;
      // Products, and what passes columns on: other nodes mix them.
      Flags dead(static_cast<std::size_t>(columns_of(y)), true);
      const std::vector<NodeId> readers = readers_of(y);
      for (const NodeId reader : readers) {
        const Flags unread = unread_by(graph_.node(reader), y);
        for (std::size_t j = 0; j < dead.size(); ++j) dead[j] = dead[j] && unread[j];
      }
      if (readers.empty()) continue;
      if (node.op == "attention") keep_whole_heads(node, dead);
      dead_[y] = std::move(dead);
    }
  }

  // A head with a column that is read stays; one head stays in any case.
  static void keep_whole_heads(const Node& node, Flags& dead) {
    const auto heads = static_cast<std::size_t>(node.attributes.integer("heads"));
    const std::size_t size = dead.size() / heads;
    std::size_t gone = 0;
    for (std::size_t h = 0; h < heads; ++h) {
      const auto begin = dead.begin() + static_cast<std::ptrdiff_t>(h * size);
      const auto end = begin + static_cast<std::ptrdiff_t>(size);
      const bool whole = std::all_of(begin, end, [](bool flag) { return flag; });
      const bool goes = whole && !(h + 1 == heads && gone + 1 == heads);
      std::fill(begin, end, goes);
      gone += goes;
    }
  }

  // Whether a column that goes can be taken out of every node that makes it: all of them products
  // with parameters of their own, reached through nodes that work column by column.
  bool can_shrink(ValueId id) const {
    const Node* producer = graph_.producer(id);
    if (producer == nullptr) return false;
    if (producer->op == "linear")
      return own_parameter(producer->inputs[1]) != none &&
             (input(*producer, 2) == none || own_parameter(producer->inputs[2]) != none);
    if (producer->op == "attention")
      return can_shrink(producer->inputs[0]) && can_shrink(producer->inputs[1]) &&
             can_shrink(producer->inputs[2]);
    if (producer->op == "gather_rows") return can_shrink(producer->inputs[0]);
    if (!find_op(producer->op).elementwise) return false;
    return std::all_of(producer->inputs.begin(), producer->inputs.end(),
                       [&](ValueId in) { return in == none || !is_matrix(in) || can_shrink(in); });
  }

  void drop_columns() {
    find_dead();
    // From the products that read: each takes its input's columns out, all the way to the products
    // that made them.
    std::map<ValueId, Flags> gone;
    for (const Node& node : graph_.nodes) {
      if (node.op != "linear") continue;
      const ValueId x = node.inputs[0];
      if (!is_matrix(x) || !can_shrink(x)) continue;
      Flags dead = dead_of(x);
      if (count(dead) == static_cast<std::int64_t>(dead.size())) dead[0] = false;
      if (count(dead) == 0) continue;
      mark(x, dead, gone);
    }
    // What another reader of the same value keeps is kept by all.
    for (auto& [id, flags] : gone) {
      const Flags dead = dead_of(id);
      for (std::size_t j = 0; j < flags.size(); ++j) flags[j] = flags[j] && dead[j];
    }
    for (const Node& node : std::vector<Node>(graph_.nodes)) {
      if (node.op == "attention") shrink_attention(node, gone);
      if (node.op != "linear") continue;
      const auto output = gone.find(node.outputs[0]);
      if (output != gone.end() && count(output->second) > 0) {
        shrink(node.inputs[1], output->second, 0);
        if (input(node, 2) != none) shrink(node.inputs[2], output->second, 0);
        if (!feeds_attention(node.outputs[0]))
          removal_.neurons.push_back(
              {graph_.value(node.outputs[0]).name, static_cast<std::int64_t>(output->second.size()),
               static_cast<std::int64_t>(output->second.size()) - count(output->second)});
      }
      const auto data = gone.find(node.inputs[0]);
      if (data != gone.end() && count(data->second) > 0) shrink(node.inputs[1], data->second, 1);
    }
  }

  // --- channels that no convolution reads

  // Input channels of a convolution whose weights are all zero.
  Flags unread_channels(NodeId conv) const {
    const Tensor w = effective_weight(model_, graph_.node(conv).inputs[1]);
    const Shape& shape = w.shape();
    const std::int64_t taps = shape[2] * element_count({shape.begin() + 3, shape.end()});
    Flags unread(static_cast<std::size_t>(shape[1]), true);
    for (std::int64_t i = 0; i < w.size(); ++i)
      if (w.as<float>()[i] != 0) unread[static_cast<std::size_t>(i / taps % shape[1])] = false;
    return unread;
  }

  // Whether each of these inputs of a node is a parameter, or a number of batch norm, of its own.
  bool owns(NodeId id, std::size_t first, std::size_t end) const {
    const Node& node = graph_.node(id);
    for (std::size_t i = first; i < std::min(end, node.inputs.size()); ++i) {
      const ValueId read = node.inputs[i];
      const bool buffer = read != none && graph_.value(read).kind == ValueKind::buffer &&
                          readers_of(read).size() == 1;
      if (read != none && !buffer && own_parameter(read) == none) return false;
    }
    return true;
  }

  void drop_channels() {
    for (const Channels& channels : channels_of(graph_)) {
      bool own = owns(channels.conv, 1, 3);
      for (const NodeId node : channels.depthwise) own = own && owns(node, 1, 3);
      for (const NodeId node : channels.norms) own = own && owns(node, 1, 5);
      for (const NodeId node : channels.readers) own = own && owns(node, 1, 2);
      if (!own) continue;
      Flags dead(static_cast<std::size_t>(channels.count), true);
      for (const NodeId reader : channels.readers) {
        const Flags unread = unread_channels(reader);
        for (std::size_t c = 0; c < dead.size(); ++c) dead[c] = dead[c] && unread[c];
      }
      // One stays in any case.
      if (count(dead) == channels.count) dead[0] = false;
      if (count(dead) == 0) continue;
      const auto rows = [&](NodeId node, std::size_t end) {
        for (std::size_t i = 1; i < std::min(end, graph_.node(node).inputs.size()); ++i)
          if (graph_.node(node).inputs[i] != none) shrink(graph_.node(node).inputs[i], dead, 0);
      };
      rows(channels.conv, 3);
      for (const NodeId node : channels.norms) rows(node, 5);
      for (const NodeId node : channels.depthwise) {
        rows(node, 3);
        graph_.node(node).attributes.set("groups", channels.count - count(dead));
      }
      for (const NodeId node : channels.readers) shrink(graph_.node(node).inputs[1], dead, 1);
      removal_.channels.push_back({graph_.value(graph_.node(channels.conv).outputs[0]).name,
                                   channels.count, channels.count - count(dead)});
    }
  }

  bool feeds_attention(ValueId id) const {
    for (const NodeId reader : readers_of(id))
      if (graph_.node(reader).op == "attention") return true;
    return false;
  }

  void mark(ValueId id, const Flags& dead, std::map<ValueId, Flags>& gone) const {
    gone[id] = dead;
    const Node* producer = graph_.producer(id);
    if (producer->op == "linear") return;
    for (const ValueId in : producer->inputs)
      if (in != none && is_matrix(in) && columns_of(in) == columns_of(id)) mark(in, dead, gone);
  }

  void shrink_attention(const Node& node, const std::map<ValueId, Flags>& gone) {
    const auto found = gone.find(node.outputs[0]);
    if (found == gone.end() || count(found->second) == 0) return;
    const std::int64_t heads = node.attributes.integer("heads");
    const std::int64_t size = static_cast<std::int64_t>(found->second.size()) / heads;
    const std::int64_t left = heads - count(found->second) / size;
    graph_.node(graph_.find_node(graph_.value(node.outputs[0]).name)).attributes.set("heads", left);
    removal_.heads.push_back({graph_.value(node.outputs[0]).name, heads, left});
  }

  // Takes rows (0) or columns (1) out of a parameter and of the masks before it.
  void shrink(ValueId read, const Flags& dropped, int dimension) {
    for (ValueId at = read;;) {
      Value& value = graph_.value(at);
      Dim& dim = value.type.dims[static_cast<std::size_t>(dimension)];
      dim = Dim(dim.offset - count(dropped));
      const Node* producer = graph_.producer(at);
      if (producer == nullptr) {
        model_.tensors.set(value.name, slice(model_.tensors.at(value.name), dropped, dimension));
        return;
      }
      if (producer->op == "mask") {
        Value& mask = graph_.value(producer->inputs[1]);
        mask.type.dims[static_cast<std::size_t>(dimension)] = dim;
        model_.tensors.set(mask.name, slice(model_.tensors.at(mask.name), dropped, dimension));
      }
      at = producer->inputs[0];
    }
  }

  // --- at the end

  void drop_full_masks() {
    for (const Node& node : std::vector<Node>(graph_.nodes)) {
      if (node.op != "mask") continue;
      const auto mask = model_.tensors.at(graph_.value(node.inputs[1]).name).span<std::uint8_t>();
      if (std::all_of(mask.begin(), mask.end(), [](std::uint8_t keep) { return keep != 0; }))
        graph_.replace_uses(node.outputs[0], node.inputs[0]);
    }
  }

  void infer_types() {
    for (Node& node : graph_.nodes) {
      OpTypes types{{}, &node.attributes};
      for (const ValueId id : node.inputs)
        types.inputs.push_back(id == none ? nullptr : &graph_.type(id));
      const std::vector<ValueType> results = find_op(node.op).infer(types);
      for (std::size_t i = 0; i < results.size(); ++i)
        graph_.value(node.outputs[i]).type = results[i];
    }
  }

  Model& model_;
  Graph& graph_;
  std::map<ValueId, Flags> dead_;
  Removal removal_;
};

}  // namespace

Removal remove_structures(Model& model) {
  const auto refuse = [&](const std::string& what, const std::string& hint) {
    throw Error(ErrorCode::unsupported, model.name + ": " + what, hint);
  };
  if (!formats_of(model.graph).empty())
    refuse("its numbers are rounded: blocks and scales would change with the shapes",
           fmt::format("remove first, then quantize (hone quantize {} --dequantize --out DIR turns "
                       "back)",
                       model.name));
  if (const std::vector<Adapter> adapters = adapters_of(model.graph); !adapters.empty())
    refuse(
        fmt::format("it carries the adapter '{}', which reads and writes values that would shrink",
                    adapters.front().settings.name),
        fmt::format("merge it first: hone merge {} --out DIR", model.name));
  Model smaller = model;
  Removal removal = Remover(smaller).run();
  if (removal.parameters_after == removal.parameters_before)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("{}: nothing to remove: {}", model.name,
                    masks_of(model.graph).empty()
                        ? "no weight has a mask, and no head, neuron, channel or branch is zero"
                        : "zeros are scattered: no head, neuron, channel or branch is zero as a "
                          "whole"),
        "prune whole structures: hone prune --granularity head (or neuron, channel, layer)");
  model.graph = std::move(smaller.graph);
  model.tensors = std::move(smaller.tensors);
  return removal;
}

}  // namespace hone
