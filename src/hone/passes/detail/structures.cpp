// What goes together across weights, read from the graph.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/weight.hpp"
#include "hone/passes/detail/channels.hpp"
#include "hone/passes/lora.hpp"
#include "hone/passes/prune.hpp"

namespace hone {
namespace {

// Linear nodes around an attention, or around an activation.
struct Structure {
  NodeId at = none;             // the attention, or the activation
  std::vector<ValueId> before;  // weights whose rows it is
  std::vector<ValueId> after;   // weights whose columns it is
  std::int64_t groups = 0;      // heads, or neurons
};

class Finder {
public:
  Finder(const Graph& graph, const std::vector<std::string>& weights)
      : graph_(graph), readers_(graph.readers()) {
    for (std::size_t i = 0; i < weights.size(); ++i) number_[weights[i]] = i;
    const Node* head = graph.producer(behind(graph, graph_.find_output("logits")));
    head_ = head == nullptr ? none : graph.value(head->outputs[0]).producer;
  }

  std::vector<Structure> attentions() {
    std::vector<Structure> list;
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      if (node.op != "attention") continue;
      Structure found{static_cast<NodeId>(n), {}, {}, node.attributes.integer("heads")};
      for (std::size_t i = 0; i < 3; ++i) {
        const Node* from = graph_.producer(behind(graph_, node.inputs[i]));
        found.before.push_back(from == nullptr ? none : linear_weight(*from));
      }
      add(list, std::move(found));
    }
    return list;
  }

  std::vector<Structure> neurons() {
    std::vector<Structure> list;
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      if (node.op != "gelu" && node.op != "relu" && node.op != "tanh") continue;
      const ValueId data = behind(graph_, node.inputs[0]);
      const Node* from = graph_.producer(data);
      // Others that read the neurons before their activation need them.
      if (from == nullptr || consumers(data) != std::vector<NodeId>{static_cast<NodeId>(n)})
        continue;
      const ValueId weight = linear_weight(*from);
      if (weight == none) continue;
      add(list, {static_cast<NodeId>(n),
                 {weight},
                 {},
                 evaluate(graph_.type(weight).dims[0], DimSizes{})});
    }
    return list;
  }

  std::vector<MaskGroup> groups(const Structure& structure) const {
    std::vector<MaskGroup> list(static_cast<std::size_t>(structure.groups));
    for (const ValueId id : structure.before) {
      const Shape shape = evaluate(graph_.type(id), {});
      const std::int64_t size = shape[0] / structure.groups;
      for (std::int64_t g = 0; g < structure.groups; ++g)
        list[static_cast<std::size_t>(g)].push_back({number(id), g * size, size, 0, shape[1]});
    }
    for (const ValueId id : structure.after) {
      const Shape shape = evaluate(graph_.type(id), {});
      const std::int64_t size = shape[1] / structure.groups;
      for (std::int64_t g = 0; g < structure.groups; ++g)
        list[static_cast<std::size_t>(g)].push_back({number(id), 0, shape[0], g * size, size});
    }
    return list;
  }

  // The whole of its weights.
  void add_whole(const Structure& structure, MaskGroup& group) const {
    for (const auto* side : {&structure.before, &structure.after})
      for (const ValueId id : *side) {
        const Shape shape = evaluate(graph_.type(id), {});
        group.push_back({number(id), 0, shape[0], 0, shape[1]});
      }
  }

  // Of each convolution inside the network, without the layers that make the logits.
  std::vector<std::vector<MaskGroup>> channels() const {
    std::vector<std::vector<MaskGroup>> families;
    for (const Channels& each : channels_of(graph_)) {
      std::vector<ValueId> rows{filters(each.conv)}, columns;
      for (const NodeId node : each.depthwise) rows.push_back(filters(node));
      for (const NodeId node : each.readers) columns.push_back(filters(node));
      std::vector<ValueId> all = rows;
      all.insert(all.end(), columns.begin(), columns.end());
      if (std::find(all.begin(), all.end(), none) != all.end() || !chosen_together(all, each.conv))
        continue;
      std::vector<MaskGroup> groups(static_cast<std::size_t>(each.count));
      for (std::int64_t c = 0; c < each.count; ++c) {
        MaskGroup& group = groups[static_cast<std::size_t>(c)];
        for (const ValueId id : rows) {
          const Shape shape = evaluate(graph_.type(id), {});
          group.push_back({number(id), c, 1, 0, element_count(shape) / shape[0]});
        }
        for (const ValueId id : columns) {
          const Shape shape = evaluate(graph_.type(id), {});
          const std::int64_t taps = element_count(shape) / (shape[0] * shape[1]);
          group.push_back({number(id), 0, shape[0], c * taps, taps});
        }
      }
      families.push_back(std::move(groups));
    }
    return families;
  }

private:
  // The weight of a convolution, none where it has none of the model.
  ValueId filters(NodeId conv) const {
    const ValueId id = behind(graph_, graph_.node(conv).inputs[1]);
    return is_weight(graph_, id) ? id : none;
  }

  // Whether all of a structure's weights are selected; false where none is.
  bool chosen_together(const std::vector<ValueId>& all, NodeId at) const {
    std::string chosen, left;
    for (const ValueId id : all) {
      const std::string& name = graph_.value(id).name;
      (number_.count(name) != 0 ? chosen : left) = name;
    }
    if (chosen.empty()) return false;
    if (!left.empty())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("'{}' is selected, '{}' is not: both belong to %{}", chosen, left,
                              graph_.value(graph_.node(at).outputs[0]).name),
                  "structures go from all of their weights: select them together");
    return true;
  }

  std::size_t number(ValueId weight) const { return number_.at(graph_.value(weight).name); }

  // The weight of a linear node, none of others.
  ValueId linear_weight(const Node& node) const {
    if (node.op != "linear") return none;
    const ValueId id = behind(graph_, node.inputs[1]);
    return is_weight(graph_, id) ? id : none;
  }

  // The nodes that read a value, past those that stand for it.
  std::vector<NodeId> consumers(ValueId id) const {
    std::vector<NodeId> list;
    for (const NodeId reader : readers_[static_cast<std::size_t>(id)]) {
      const Node& node = graph_.node(reader);
      const int through = find_op(node.op).stands_for;
      if (through >= 0 && node.inputs[static_cast<std::size_t>(through)] == id) {
        const std::vector<NodeId> more = consumers(node.outputs[0]);
        list.insert(list.end(), more.begin(), more.end());
      } else {
        list.push_back(reader);
      }
    }
    return list;
  }

  // Completes a structure with what reads it, and keeps it if all of it is linear and chosen.
  void add(std::vector<Structure>& list, Structure structure) {
    for (const NodeId reader : consumers(graph_.node(structure.at).outputs[0])) {
      if (reader == head_) return;
      structure.after.push_back(linear_weight(graph_.node(reader)));
    }
    std::vector<ValueId> all = structure.before;
    all.insert(all.end(), structure.after.begin(), structure.after.end());
    if (structure.after.empty() || std::find(all.begin(), all.end(), none) != all.end()) return;
    if (!chosen_together(all, structure.at) || !seen_.insert(all).second) return;
    list.push_back(std::move(structure));
  }

  const Graph& graph_;
  std::vector<std::vector<NodeId>> readers_;
  std::map<std::string, std::size_t> number_;
  std::set<std::vector<ValueId>> seen_;  // layers may share their weights
  NodeId head_ = none;
};

}  // namespace

std::vector<std::vector<MaskGroup>> structures_of(const Graph& graph, MaskGranularity::Kind kind,
                                                  const std::vector<std::string>& weights) {
  using Kind = MaskGranularity::Kind;
  Finder finder(graph, weights);
  if (kind == Kind::channel) {
    std::vector<std::vector<MaskGroup>> channels = finder.channels();
    if (channels.empty())
      throw Error(ErrorCode::invalid_argument, "the selected nodes hold no channels to prune",
                  "channels are those between convolutions that nothing is added to");
    return channels;
  }
  const std::vector<Structure> attentions =
      kind == Kind::neuron ? std::vector<Structure>{} : finder.attentions();
  const std::vector<Structure> neurons =
      kind == Kind::head ? std::vector<Structure>{} : finder.neurons();
  std::vector<std::vector<MaskGroup>> families;
  if (kind == Kind::layer) {
    // An attention, and the neurons before the next.
    families.emplace_back();
    for (std::size_t i = 0; i < attentions.size(); ++i) {
      MaskGroup group;
      finder.add_whole(attentions[i], group);
      for (const Structure& each : neurons)
        if (each.at > attentions[i].at &&
            (i + 1 == attentions.size() || each.at < attentions[i + 1].at))
          finder.add_whole(each, group);
      families.back().push_back(std::move(group));
    }
    if (attentions.empty()) families.clear();
  } else {
    for (const auto* list : {&attentions, &neurons})
      for (const Structure& each : *list) families.push_back(finder.groups(each));
  }
  if (families.empty())
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("the selected nodes hold no {}s", to_string(MaskGranularity{kind, 0, 0})),
        has_adapters(graph) ? "adapters read and write what would go: merge them first (hone merge)"
                            : "heads are those of attention between linear nodes, neurons lie "
                              "between two linear nodes around an activation");
  return families;
}

}  // namespace hone
