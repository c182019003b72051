#include "hone/recipes/compare_models.hpp"
#include "hone/core/json.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/data/batch.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/weight.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/quantization.hpp"
#include "hone/run/forward.hpp"

namespace hone {
namespace {

// All values of a batch are kept at once: few tokens keep large models small.
constexpr std::int64_t batch_tokens = 1024;

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

const NodeFormats* formats_for(const Quantization& quantization, const std::string& node) {
  for (const NodeFormats& formats : quantization)
    if (formats.node == node) return &formats;
  return nullptr;
}

// "integer width=4", or by slot where they are not the same.
std::string describe_formats(const NodeFormats& formats) {
  std::vector<std::pair<std::string, std::string>> groups;  // format, its slots
  for (const auto& [slot, choice] : formats.slots) {
    const std::string text = to_string(choice);
    const std::string name = slot_names[static_cast<std::size_t>(slot)];
    const auto known = std::find_if(groups.begin(), groups.end(),
                                    [&](const auto& group) { return group.first == text; });
    if (known == groups.end())
      groups.emplace_back(text, name);
    else
      known->second += ", " + name;
  }
  if (groups.size() == 1 && formats.slots.count(Slot::weight) != 0) return groups[0].first;
  std::string text;
  for (const auto& [format, slots] : groups)
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", slots, format);
  return text;
}

// The value that stands for a node's output: the rounded one where it is rounded for all.
ValueId output_of(const Graph& graph, const std::string& node) {
  const ValueId output = graph.find(node);
  for (const Node& reader : graph.nodes)
    if (find_op(reader.op).stands_for == 0 && reader.inputs[0] == output &&
        reader.attributes.text_or("slot", "") == "data_out")
      return reader.outputs[0];
  return output;
}

// A model run node by node, every one of `nodes` an output.
Executor expose(const Model& model, const std::vector<NodeError>& nodes) {
  TensorStore tensors;
  Graph graph = make_forward_graph(model, Mode::eager, {}, nullptr, &tensors);
  graph.outputs.clear();
  for (const NodeError& node : nodes)
    graph.outputs.emplace_back(node.node, output_of(graph, node.node));
  Executor executor(std::move(graph));
  for (const std::string& name : tensors.names()) executor.bind(name, tensors.at(name));
  return executor;
}

std::vector<std::int64_t> spread(std::int64_t size, std::int64_t count) {
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < std::min(size, count); ++i)
    indices.push_back(i * size / std::min(size, count));
  return indices;
}

std::vector<NodeError> list_nodes(const Model& a, const Model& b) {
  const Quantization formats = formats_of(b.graph);
  std::vector<NodeError> nodes;
  for (const Node& node : a.graph.nodes) {
    const Value& output = a.graph.value(node.outputs[0]);
    if (output.type.dtype != DType::f32 || node.op == "dropout" || node.op == "dequantize" ||
        find_op(node.op).stands_for >= 0)
      continue;
    NodeError entry;
    entry.node = output.name;
    entry.op = node.op;
    if (const NodeFormats* own = formats_for(formats, output.name))
      entry.format = describe_formats(*own);
    const Node& other = b.graph.node(b.graph.find_node(output.name));
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId weight = behind(a.graph, node.inputs[i]);
      if (!is_weight(a.graph, weight)) continue;
      const Tensor first = effective_weight(a, node.inputs[i]);
      const Tensor second = effective_weight(b, other.inputs[i]);
      TensorError error;
      error.add(first.as<float>(), second.as<float>(), first.size());
      entry.weights.add(error);
      entry.parameters.emplace_back(a.graph.value(weight).name, error);
    }
    nodes.push_back(std::move(entry));
  }
  return nodes;
}

}  // namespace

void TensorError::add(const float* reference, const float* other, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double r = reference[i], o = other[i], d = r - o;
    signal_ += r * r;
    other_ += o * o;
    dot_ += r * o;
    noise_ += d * d;
    // A NaN stays in sight.
    if (!std::isnan(largest_) && !(std::abs(d) <= largest_)) largest_ = std::abs(d);
  }
}

void TensorError::add(const TensorError& more) {
  signal_ += more.signal_;
  noise_ += more.noise_;
  other_ += more.other_;
  dot_ += more.dot_;
  if (!std::isnan(largest_) && !(more.largest_ <= largest_)) largest_ = more.largest_;
}

double TensorError::sqnr() const {
  return is_exact() ? std::numeric_limits<double>::infinity() : 10 * std::log10(signal_ / noise_);
}

double TensorError::cosine() const {
  if (is_exact()) return 1;
  return std::min(1.0, dot_ / std::sqrt(signal_) / std::sqrt(other_));
}

Json to_json(const TensorError& error) {
  return {{"exact", error.is_exact()},
          {"sqnr", finite(error.sqnr())},
          {"cosine", finite(error.cosine())},
          {"max", finite(error.largest())}};
}

Json to_json(const NodeError& error) {
  Json json{{"node", error.node}, {"op", error.op}, {"output", to_json(error.output)}};
  if (!error.format.empty()) json["format"] = error.format;
  if (error.parameters.empty()) return json;
  json["weights"] = to_json(error.weights);
  for (const auto& [name, one] : error.parameters) json["parameters"][name] = to_json(one);
  return json;
}

void check_same_architecture(const Model& a, const Model& b) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} and {} are not of the same architecture: {}", a.name, b.name, what),
                "compare a model with what was made of it by hone quantize or hone train");
  };
  const Graph first = skeleton(a.graph), second = skeleton(b.graph);
  std::size_t shared = 0;
  for (const Value& value : first.values) {
    if (value.kind != ValueKind::parameter) continue;
    const ValueId same = second.find(value.name);
    if (same == none || second.value(same).kind != ValueKind::parameter)
      refuse(fmt::format("only the first has '{}'", value.name));
    if (!(second.type(same) == value.type))
      refuse(fmt::format("'{}' is {} and {}", value.name, to_string(evaluate(value.type, {})),
                         to_string(evaluate(second.type(same), {}))));
    ++shared;
  }
  const auto count = std::count_if(second.values.begin(), second.values.end(),
                                   [](const Value& v) { return v.kind == ValueKind::parameter; });
  if (static_cast<std::size_t>(count) > shared) refuse("the second has more parameters");
  bool same_nodes = first.nodes.size() == second.nodes.size();
  for (const Node& node : first.nodes) {
    const NodeId found = second.find_node(first.value(node.outputs[0]).name);
    same_nodes = same_nodes && found != none && second.node(found).op == node.op;
    if (same_nodes && node.attributes.contains("heads"))
      same_nodes =
          second.node(found).attributes.integer("heads") == node.attributes.integer("heads");
  }
  if (!same_nodes) refuse("their graphs have other nodes or attributes");
}

std::vector<NodeError> compare_layers(const Model& a, const Model& b, const Samples& data,
                                      std::int64_t samples, const EvaluateOptions& options) {
  std::vector<NodeError> nodes = list_nodes(a, b);
  Executor first = expose(a, nodes), second = expose(b, nodes);
  std::int64_t done = 0;
  for (const auto& indices : cut_batches(data.data, spread(data.size(), samples), batch_tokens)) {
    if (options.stop && options.stop())
      throw Error(ErrorCode::interrupted, "stopped while comparing");
    const Inputs inputs = data.inputs(indices);
    const auto left = first.run(inputs), right = second.run(inputs);
    for (NodeError& node : nodes) {
      const Tensor& value = left.at(node.node);
      node.output.add(value.as<float>(), right.at(node.node).as<float>(), value.size());
    }
    done += static_cast<std::int64_t>(indices.size());
    if (options.progress) options.progress(done);
  }
  std::stable_sort(nodes.begin(), nodes.end(), [](const NodeError& x, const NodeError& y) {
    // What is no number is the worst.
    const double l = x.output.sqnr(), r = y.output.sqnr();
    if (std::isnan(l) || std::isnan(r)) return std::isnan(l) && !std::isnan(r);
    return l < r;
  });
  return nodes;
}

std::vector<bool> correct_samples(const Evaluation& evaluation, const TokenizedData& data) {
  const std::int64_t classes = evaluation.logits.shape()[1];
  std::vector<bool> correct;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    const float* row = evaluation.logits.as<float>() + i * classes;
    correct.push_back(std::max_element(row, row + classes) - row ==
                      data.labels[static_cast<std::size_t>(i)]);
  }
  return correct;
}

PairedTest compare_correct(const std::vector<bool>& first, const std::vector<bool>& second) {
  std::int64_t only_first = 0, only_second = 0;
  for (std::size_t i = 0; i < std::min(first.size(), second.size()); ++i) {
    only_first += first[i] && !second[i] ? 1 : 0;
    only_second += second[i] && !first[i] ? 1 : 0;
  }
  return mcnemar(only_first, only_second);
}

}  // namespace hone
