#include "hone/recipes/compare_models.hpp"
#include "hone/core/json.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/data/batch.hpp"
#include "hone/train/inputs.hpp"

namespace hone {
namespace {

// All values of a batch are kept at once: few tokens keep large models small.
constexpr std::int64_t batch_tokens = 1024;

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Graph plain_graph(const Model& model) { return model.architecture->build(model.config, {}); }

// The numbers that a run of the model computes with.
Tensor effective_parameter(const Model& model, const std::string& name,
                           const std::vector<std::pair<std::string, FormatChoice>>& formats) {
  const auto packed = model.packed.find(name);
  if (packed != model.packed.end())
    return packed->second.format.bind()->unpack(packed->second.packed);
  const Tensor& stored = model.parameters.at(name);
  const auto format = std::find_if(formats.begin(), formats.end(),
                                   [&](const auto& entry) { return entry.first == name; });
  return format == formats.end() ? stored : format->second.bind()->quantize(stored);
}

const NodeFormats* formats_of(const Model& model, const std::string& node) {
  for (const NodeFormats& formats : model.quantization)
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

// The value that stands for a node's output: the rounded one where the pass rounds it.
std::string output_of(const Model& model, const Graph& graph, const std::string& node) {
  const NodeFormats* formats = formats_of(model, node);
  const std::string rounded = node + ".q";
  if (formats == nullptr || graph.find(rounded) == none) return node;
  const bool table = graph.node(graph.value(graph.find(node)).producer).op == "embedding" &&
                     formats->slots.count(Slot::weight) != 0;
  return table || formats->slots.count(Slot::data_out) != 0 ? rounded : node;
}

// A model run node by node, every one of `nodes` an output.
Executor expose(const Model& model, const std::vector<NodeError>& nodes) {
  Graph graph = make_forward_graph(model, Mode::eager);
  graph.outputs.clear();
  for (const NodeError& node : nodes)
    graph.outputs.emplace_back(node.node, graph.find(output_of(model, graph, node.node)));
  Executor executor(std::move(graph));
  bind_parameters(executor, model);
  return executor;
}

std::vector<std::int64_t> spread(std::int64_t size, std::int64_t count) {
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < std::min(size, count); ++i)
    indices.push_back(i * size / std::min(size, count));
  return indices;
}

std::vector<NodeError> list_nodes(const Model& a, const Model& b) {
  const Graph graph = plain_graph(a);
  const auto formats_a = quantized_parameters(graph, a.quantization);
  const auto formats_b = quantized_parameters(graph, b.quantization);
  std::vector<NodeError> nodes;
  for (const Node& node : graph.nodes) {
    const Value& output = graph.value(node.outputs[0]);
    if (output.type.dtype != DType::f32) continue;
    NodeError entry;
    entry.node = output.name;
    entry.op = node.op;
    if (const NodeFormats* formats = formats_of(b, output.name))
      entry.format = describe_formats(*formats);
    for (ValueId input : node.inputs) {
      if (input == none || graph.value(input).kind != ValueKind::parameter) continue;
      const std::string& name = graph.value(input).name;
      const Tensor first = effective_parameter(a, name, formats_a);
      const Tensor second = effective_parameter(b, name, formats_b);
      TensorError error;
      error.add(first.as<float>(), second.as<float>(), first.size());
      entry.weights.add(error);
      entry.parameters.emplace_back(name, error);
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
  if (a.architecture->name != b.architecture->name)
    refuse(fmt::format("{} and {}", a.architecture->name, b.architecture->name));
  const auto first = a.architecture->parameters(a.config);
  const auto second = b.architecture->parameters(b.config);
  for (const ParameterSpec& spec : first) {
    const auto same = std::find_if(second.begin(), second.end(), [&](const ParameterSpec& other) {
      return other.name == spec.name;
    });
    if (same == second.end()) refuse(fmt::format("only the first has '{}'", spec.name));
    if (same->shape != spec.shape)
      refuse(fmt::format("'{}' is {} and {}", spec.name, to_string(spec.shape),
                         to_string(same->shape)));
  }
  if (second.size() > first.size()) refuse("the second has more parameters");
  const Graph one = plain_graph(a), other = plain_graph(b);
  const bool same_nodes = std::equal(
      one.nodes.begin(), one.nodes.end(), other.nodes.begin(), other.nodes.end(),
      [](const Node& x, const Node& y) { return x.op == y.op && x.attributes == y.attributes; });
  if (!same_nodes) refuse("their graphs have other nodes or attributes");
}

std::vector<NodeError> compare_layers(const Model& a, const Model& b, const TokenizedData& data,
                                      std::int64_t samples, const EvaluateOptions& options) {
  std::vector<NodeError> nodes = list_nodes(a, b);
  Executor first = expose(a, nodes), second = expose(b, nodes);
  Batch batch;
  std::int64_t done = 0;
  for (const auto& indices : cut_batches(data, spread(data.size(), samples), batch_tokens)) {
    if (options.stop && options.stop())
      throw Error(ErrorCode::interrupted, "stopped while comparing");
    make_batch(data, indices, batch);
    const auto inputs = batch_inputs(batch);
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
