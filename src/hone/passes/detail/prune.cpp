#include "hone/passes/prune.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/threads.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/selection.hpp"
#include "hone/graph/weight.hpp"
#include "hone/ops/detail/mask.hpp"
#include "hone/ops/detail/quantizer.hpp"
#include "hone/passes/detail/rounding.hpp"
#include "hone/passes/learned_steps.hpp"
#include "hone/passes/packing.hpp"

namespace hone {
namespace {

// The weight that a node reads in its weight slot, none where it has none.
ValueId weight_of(const Graph& graph, const Node& node) {
  const int slot = find_op(node.op).slots.weight;
  if (slot < 0 || static_cast<std::size_t>(slot) >= node.inputs.size()) return none;
  const ValueId id = behind(graph, node.inputs[static_cast<std::size_t>(slot)]);
  return is_weight(graph, id) ? id : none;
}

bool is_sparsify(const Node& node) { return node.op == "sparsify" || node.op == "sparsify_tensor"; }

// Random numbers of their own for each node.
std::int64_t next_mask_stream(const Graph& graph) {
  std::int64_t stream = 0;
  for (const Node& node : graph.nodes)
    if (node.op == "sparsify_tensor")
      stream = std::max(stream, node.attributes.integer_or("stream", 0) + 1);
  return stream;
}

const Node* mask_of(const Graph& graph, ValueId weight) {
  for (const Node& node : graph.nodes)
    if (node.op == "mask" && node.inputs[0] == weight) return &node;
  return nullptr;
}

void remove_mask(Graph& graph, ValueId weight) {
  const Node* mask = mask_of(graph, weight);
  if (mask == nullptr) return;
  graph.replace_uses(mask->outputs[0], weight);
}

void zero_dropped(Tensor& tensor, const Tensor& mask) {
  Tensor zeroed = apply_mask(tensor, mask);
  tensor = std::move(zeroed);
}

// Data that was rounded once for several nodes may be rounded by steps of their own now: they begin
// with the trained step of the same value.
void share_learned_steps(Model& model, const std::vector<LearnedStep>& before) {
  for (const LearnedStep& step : learned_steps(model.graph)) {
    if (model.tensors.contains(step.parameter)) continue;
    const auto old = std::find_if(before.begin(), before.end(), [&](const LearnedStep& each) {
      return each.value == step.value && each.choice == step.choice &&
             model.tensors.contains(each.parameter);
    });
    if (old != before.end())
      model.tensors.set(step.parameter, model.tensors.at(old->parameter).clone());
  }
}

// What it does to a model while its weights are numbers and nothing rounds; then its formats stand
// in the graph again, as they do when they come last, and what was packed is packed.
template <typename Change>
void change_unpacked(Model& model, const Change& change) {
  Model changed = model;  // shares the numbers
  const bool packed = is_packed(model.graph);
  unpack_weights(changed);
  const Quantization formats = formats_of(changed.graph);
  const std::vector<LearnedStep> steps = learned_steps(changed.graph);
  remove_formats(changed.graph);
  change(changed);
  changed.graph.sort();
  changed.graph.remove_dead();
  apply_formats(changed.graph, formats);
  share_learned_steps(changed, steps);
  keep_named_tensors(changed);
  refuse_formats_without_zero(changed);
  if (packed) pack_weights(changed);
  model = std::move(changed);
}

}  // namespace

std::string mask_name(const std::string& weight) { return weight + ".mask"; }

std::vector<NodeId> prunable_nodes(const Graph& graph, const std::string& selection) {
  const auto takes = [&](const Node& node) { return weight_of(graph, node) != none; };
  std::vector<NodeId> nodes =
      select_nodes(graph, selection.empty() ? layers_selection : selection, takes, "mask");
  if (!selection.empty()) return nodes;
  if (const ValueId logits = graph.find_output("logits"); logits != none)
    std::erase(nodes, graph.value(behind(graph, logits)).producer);
  return nodes;
}

std::vector<std::string> weights_of_nodes(const Graph& graph, const std::vector<NodeId>& nodes) {
  std::vector<std::string> weights;
  for (const NodeId node : nodes) {
    const ValueId weight = weight_of(graph, graph.node(node));
    if (weight == none) continue;
    const std::string& name = graph.value(weight).name;
    if (std::find(weights.begin(), weights.end(), name) == weights.end()) weights.push_back(name);
  }
  return weights;
}

std::map<std::string, std::string> masks_of(const Graph& graph) {
  std::map<std::string, std::string> masks;
  for (const Node& node : graph.nodes)
    if (node.op == "mask" && is_weight(graph, node.inputs[0]))
      masks[graph.value(node.inputs[0]).name] = graph.value(node.inputs[1]).name;
  return masks;
}

int insert_masks(Graph& graph, const std::vector<std::string>& weights) {
  int count = 0;
  for (const std::string& name : weights) {
    const ValueId weight = graph.find(name);
    if (weight == none || !is_weight(graph, weight))
      throw Error(ErrorCode::invalid_argument, fmt::format("there is no weight %{} to mask", name));
    if (mask_of(graph, weight) != nullptr) continue;
    const ValueId mask = graph.buffer(mask_name(name), {DType::u8, graph.type(weight).dims});
    const NodeId made = graph.append("mask", {weight, mask}, {}, name + ".masked");
    graph.replace_uses(weight, graph.node(made).outputs[0]);
    graph.node(made).inputs[0] = weight;
    ++count;
  }
  graph.sort();
  return count;
}

void set_masks(Model& model, const std::map<std::string, Tensor>& masks) {
  change_unpacked(model, [&](Model& changed) {
    std::vector<std::string> masked;
    for (const auto& [name, mask] : masks) {
      const ValueId weight = changed.graph.find(name);
      if (weight == none || !is_weight(changed.graph, weight))
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("there is no weight '{}' to mask", name));
      if (mask.dtype() != DType::u8 || mask.shape() != evaluate(changed.graph.type(weight), {}))
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("the mask of '{}' is {}{}, expected u8 and its {}", name,
                                name_of(mask.dtype()), to_string(mask.shape()),
                                to_string(changed.graph.type(weight))));
      if (dropped_count(mask) == 0) {
        remove_mask(changed.graph, weight);
        continue;
      }
      masked.push_back(name);
      changed.tensors.set(mask_name(name), mask.clone());
    }
    insert_masks(changed.graph, masked);
    for (const std::string& name : masked)
      zero_dropped(changed.tensors.at(name), changed.tensors.at(mask_name(name)));
  });
}

void drop_pruning(Model& model) {
  Graph& graph = model.graph;
  for (const Node& node : std::vector<Node>(graph.nodes))
    if (node.op == "mask" || is_sparsify(node)) graph.replace_uses(node.outputs[0], node.inputs[0]);
  graph.remove_dead();
  keep_named_tensors(model);
}

void zero_masked(Model& model) {
  for (const auto& [weight, mask] : masks_of(model.graph))
    if (model.tensors.contains(weight))
      zero_dropped(model.tensors.at(weight), model.tensors.at(mask));
}

void refuse_formats_without_zero(const Model& model) {
  const Graph& graph = model.graph;
  for (const Node& node : graph.nodes) {
    const Node* mask = graph.producer(node.inputs.empty() ? none : node.inputs[0], "mask");
    if (!is_rounding(node) || node.op == "quantize_learned" || mask == nullptr) continue;
    const std::string& weight = graph.value(behind(graph, node.inputs[0])).name;
    const auto format = format_of_node(node);
    if (!format || !model.tensors.contains(weight)) continue;
    const Tensor& keep = model.tensors.at(graph.value(mask->inputs[1]).name);
    const Tensor rounded =
        bind_quantizer(node.attributes)->quantize(apply_mask(model.tensors.at(weight), keep));
    for (std::int64_t i = 0; i < keep.size(); ++i)
      if (keep.as<std::uint8_t>()[i] == 0 && rounded.as<float>()[i] != 0)
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("'{}' has a mask, and its format {} makes {:g} of a dropped number",
                                weight, to_string(*format), rounded.as<float>()[i]),
                    "choose a format that holds zero, or leave these weights unpruned");
  }
}

std::vector<std::string> data_of_nodes(const Graph& graph, const std::vector<NodeId>& nodes) {
  std::vector<std::string> values;
  for (const NodeId node : nodes)
    for (const int slot : find_op(graph.node(node).op).slots.data) {
      const ValueId id = behind(graph, graph.node(node).inputs[static_cast<std::size_t>(slot)]);
      if (graph.type(id).dtype != DType::f32) continue;
      const std::string& name = graph.value(id).name;
      if (std::find(values.begin(), values.end(), name) == values.end()) values.push_back(name);
    }
  return values;
}

int prune_data(Model& model, const std::vector<std::string>& names, const DataPruning& pruning) {
  int count = 0;
  change_unpacked(model, [&](Model& changed) {
    Graph& graph = changed.graph;
    std::map<ValueId, ValueId> made;  // of each value what nodes read in its place
    for (const std::string& name : names) {
      const NodeId node = graph.find_node(name);
      if (node == none)
        throw Error(ErrorCode::invalid_argument, fmt::format("there is no node '{}'", name));
      bool any = false;
      for (const int slot : find_op(graph.node(node).op).slots.data) {
        const auto i = static_cast<std::size_t>(slot);
        ValueId id = graph.node(node).inputs[i];
        if (const Node* before = graph.producer(id); before != nullptr && is_sparsify(*before)) {
          id = before->inputs[0];
          any = true;
        }
        if (graph.type(id).dtype != DType::f32 || graph.type(id).dims.size() != 2) continue;
        if (pruning.sparsity == 0) {
          graph.node(node).inputs[i] = id;
          continue;
        }
        if (made.count(id) == 0 || pruning.random) {
          Options attributes{{"sparsity", pruning.sparsity}};
          if (pruning.random) {
            attributes.set("random", true);
            attributes.set("stream", next_mask_stream(graph));
          }
          if (pruning.by_threshold) {
            const auto known = pruning.thresholds.find(graph.value(behind(graph, id)).name);
            if (known == pruning.thresholds.end())
              throw Error(ErrorCode::internal,
                          fmt::format("no threshold was found for %{}", graph.value(id).name));
            attributes.set("threshold", known->second);
          }
          made[id] =
              graph.apply(pruning.whole_tensor || pruning.random ? "sparsify_tensor" : "sparsify",
                          {id}, attributes, graph.value(id).name + ".sparse");
        }
        graph.node(node).inputs[i] = made[id];
        any = true;
      }
      count += any;
    }
  });
  return count;
}

std::vector<std::pair<std::string, std::string>> pruned_data_of(const Graph& graph) {
  std::vector<std::pair<std::string, std::string>> list;
  for (const Node& node : graph.nodes) {
    for (const int slot : find_op(node.op).slots.data) {
      const Node* from = graph.producer(node.inputs[static_cast<std::size_t>(slot)]);
      while (from != nullptr && is_rounding(*from)) from = graph.producer(from->inputs[0]);
      if (from == nullptr || !is_sparsify(*from)) continue;
      const double threshold = from->attributes.real_or("threshold", -1);
      const char* of = from->op == "sparsify" ? "each token"
                       : from->attributes.boolean_or("random", false)
                           ? "the tensor of a call, at random"
                           : "the tensor of a call";
      std::string how =
          threshold >= 0 ? fmt::format("what is not above {:g}", threshold)
                         : fmt::format("{:g} of {}", from->attributes.real_or("sparsity", 0), of);
      list.emplace_back(graph.value(node.outputs[0]).name, std::move(how));
      break;
    }
  }
  return list;
}

}  // namespace hone
