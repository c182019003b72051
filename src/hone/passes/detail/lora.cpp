#include "hone/passes/lora.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hone/core/error.hpp"
#include "hone/core/philox.hpp"
#include "hone/core/text.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/selection.hpp"
#include "hone/graph/weight.hpp"
#include "hone/ops/detail/lora.hpp"
#include "hone/passes/detail/rounding.hpp"
#include "hone/passes/packing.hpp"
#include "hone/passes/prune.hpp"
#include "hone/passes/quantization.hpp"

namespace hone {
namespace {

constexpr const char* part_a = ".lora_A";
constexpr const char* part_b = ".lora_B";
constexpr const char* part_magnitude = ".lora_magnitude_vector";

[[noreturn]] void refuse_lora(const std::string& message, const std::string& hint = "") {
  throw Error(ErrorCode::invalid_argument, "lora: " + message, hint);
}

std::string in_graph(const std::string& layer, const char* part, const std::string& adapter) {
  const bool vector = part == part_magnitude;
  return layer + part + "." + adapter + (vector ? "" : ".weight");
}
std::string in_file(const std::string& layer, const char* part) {
  return layer + part + (part == part_magnitude ? "" : ".weight");
}

// The weight of a linear node, behind formats and masks; none where it reads no weight.
ValueId linear_weight(const Graph& graph, const Node& node) {
  if (node.op != "linear") return none;
  const ValueId weight = behind(graph, node.inputs[1]);
  return is_weight(graph, weight) ? weight : none;
}

struct LinearLayer {
  NodeId node;
  std::string layer;
  std::int64_t outputs, inputs;
};

std::vector<LinearLayer> linear_layers(const Graph& graph) {
  std::vector<LinearLayer> layers;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const ValueId weight = linear_weight(graph, graph.nodes[n]);
    if (weight == none) continue;
    const Shape shape = evaluate(graph.type(weight), {});
    layers.push_back(
        {static_cast<NodeId>(n), layer_name(graph.value(weight).name), shape[0], shape[1]});
  }
  return layers;
}

bool ends_with_part(const std::string& layer, const std::string& end) {
  return layer == end || layer.ends_with("." + end);
}
std::string last_part(const std::string& layer) { return layer.substr(layer.rfind('.') + 1); }

// "query" of "encoder.0.query", and every longer end: what a target may call a layer.
std::vector<std::string> ends_of(const std::string& layer) {
  std::vector<std::string> ends;
  for (std::size_t at = layer.rfind('.'); at != std::string::npos && at > 0;
       at = layer.rfind('.', at - 1))
    ends.push_back(layer.substr(at + 1));
  return ends;
}

// Without number formats in front: what masks and packed bits make of a weight, or the data.
ValueId before_rounding(const Graph& graph, ValueId id) {
  while (const Node* producer = graph.producer(id)) {
    if (!is_rounding(*producer) || producer->attributes.text_or("slot", "") == "data_out") break;
    id = producer->inputs[0];
  }
  return id;
}

// The value that the readers of a node read: rounded where its output takes a format.
ValueId given_out(const Graph& graph, ValueId output) {
  for (const Node& node : graph.nodes)
    if (is_rounding(node) && node.inputs[0] == output &&
        node.attributes.text_or("slot", "") == "data_out")
      return node.outputs[0];
  return output;
}

std::vector<LinearLayer> default_targets(const Graph& graph) {
  std::set<ValueId> wanted;
  for (const Node& node : graph.nodes)
    if (node.op == "attention")
      for (const std::size_t i : {std::size_t{0}, std::size_t{2}})
        wanted.insert(behind(graph, node.inputs[i]));
  std::vector<LinearLayer> chosen;
  for (const LinearLayer& layer : linear_layers(graph))
    if (wanted.count(graph.node(layer.node).outputs[0]) != 0) chosen.push_back(layer);
  if (chosen.empty()) refuse_lora("the model has no attention", "name layers with targets=");
  return chosen;
}

std::vector<LinearLayer> target_layers(const Graph& graph, const std::string& targets) {
  if (targets.empty()) return default_targets(graph);
  const std::vector<LinearLayer> layers = linear_layers(graph);
  std::vector<bool> chosen(layers.size(), false);
  for (const std::string& part : split(targets, ',')) {
    Selection selection{std::string(trim(part))};
    bool any = false;
    std::vector<std::string> known;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      std::vector<std::string> names = selection_names(graph, graph.node(layers[i].node));
      const std::vector<std::string> ends = ends_of(layers[i].layer);
      names.insert(names.end(), ends.begin(), ends.end());
      known.insert(known.end(), names.begin(), names.end());
      if (!selection.matches("linear", names)) continue;
      chosen[i] = any = true;
    }
    if (!any)
      refuse_lora(fmt::format("targets: '{}' matches no linear layer", trim(part)),
                  did_you_mean(std::string(trim(part)), known));
  }
  std::vector<LinearLayer> list;
  for (std::size_t i = 0; i < layers.size(); ++i)
    if (chosen[i]) list.push_back(layers[i]);
  return list;
}

void check_settings(const LoraSettings& settings) {
  const bool named =
      !settings.name.empty() && std::all_of(settings.name.begin(), settings.name.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
      });
  if (!named)
    refuse_lora(fmt::format("name '{}' is no name of an adapter", printable(settings.name, 60)),
                "letters, digits, '_' and '-'");
  const auto check_alpha = [](double alpha) {
    if (!std::isfinite(alpha) || alpha <= 0)
      refuse_lora(fmt::format("alpha is {:g}", alpha), "it is above 0");
  };
  check_alpha(settings.alpha);
  for (const auto& [pattern, alpha] : settings.alphas) check_alpha(alpha);
  if (!(settings.dropout >= 0 && settings.dropout < 1))
    refuse_lora(fmt::format("dropout is {:g}", settings.dropout), "it is from 0 to below 1");
}

void check_rank(const LinearLayer& layer, std::int64_t rank) {
  if (rank < 1) refuse_lora(fmt::format("rank is {}", rank), "it is 1 or more");
  if (rank > std::min(layer.outputs, layer.inputs))
    refuse_lora(fmt::format("rank {} is larger than the layer {}, a matrix of [{},{}]", rank,
                            layer.layer, layer.outputs, layer.inputs),
                fmt::format("at most {}", std::min(layer.outputs, layer.inputs)));
}

std::int64_t next_dropout_stream(const Graph& graph) {
  std::int64_t next = 0;
  for (const Node& node : graph.nodes) {
    if (node.op == "dropout") next = std::max(next, node.attributes.integer("stream") + 1);
    if (node.op == "attention")
      next = std::max(next, node.attributes.integer("stream") + node.attributes.integer("heads"));
  }
  return next;
}

// The node rescale(y, m / adapted_norm(...)) above an adapter, or null.
const Node* rescaling_of(const Graph& graph, const Node& lora) {
  for (const Node& node : graph.nodes) {
    if (node.op != "rescale" || node.inputs[0] != lora.outputs[0]) continue;
    const Node* quotient = graph.producer(node.inputs[1], "div");
    if (quotient != nullptr && graph.producer(quotient->inputs[1], "adapted_norm") != nullptr)
      return &node;
  }
  return nullptr;
}
// The parameter m of it.
ValueId magnitude_of(const Graph& graph, const Node& rescaling) {
  return graph.producer(rescaling.inputs[1])->inputs[0];
}

// The linear node below an adapter. Throws Error(bad_format): graphs come from files too.
const Node& base_of(const Graph& graph, const Node& lora) {
  const Node* base = graph.producer(behind(graph, lora.outputs[0]));
  if (base == nullptr || linear_weight(graph, *base) == none)
    throw Error(ErrorCode::bad_format,
                fmt::format("%{} adapts no linear layer", graph.value(lora.outputs[0]).name));
  return *base;
}

void take_out(Graph& graph, const std::string& adapter) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node node = graph.nodes[n];
    if (node.op != "lora" || node.attributes.text("adapter") != adapter) continue;
    if (const Node* rescaling = rescaling_of(graph, node))
      graph.replace_uses(ValueId{rescaling->outputs[0]}, node.inputs[0]);
    graph.replace_uses(node.outputs[0], node.inputs[0]);
  }
  graph.remove_dead();
}

ValueType type_of(const Tensor& tensor) {
  ValueType type{tensor.dtype(), {}};
  for (const std::int64_t size : tensor.shape()) type.dims.emplace_back(size);
  return type;
}

// What a layer of an adapter has, and what the files say it has.
struct LayerTensors {
  const Tensor* a = nullptr;
  const Tensor* b = nullptr;
  const Tensor* magnitude = nullptr;
};

// Sorts the tensors of an adapter by layer; what belongs to none of them goes to `others`.
std::map<std::string, LayerTensors> by_layer(const TensorStore& tensors,
                                             std::vector<std::string>& others) {
  std::map<std::string, LayerTensors> layers;
  for (const std::string& name : tensors.names()) {
    const auto take = [&](const char* part, const Tensor* LayerTensors::*member) {
      const std::string end = in_file("", part);
      if (!name.ends_with(end)) return false;
      layers[name.substr(0, name.size() - end.size())].*member = &tensors.at(name);
      return true;
    };
    if (!take(part_a, &LayerTensors::a) && !take(part_b, &LayerTensors::b) &&
        !take(part_magnitude, &LayerTensors::magnitude))
      others.push_back(name);
  }
  return layers;
}

std::string describe(const Tensor* tensor) {
  return tensor == nullptr ? "absent" : to_string(tensor->shape());
}

// The model's layer that a file's name stands for: itself, or the only one that ends so (an adapter
// of the bare backbone).
const LinearLayer* find_layer(const std::vector<LinearLayer>& layers, const std::string& name) {
  const LinearLayer* found = nullptr;
  for (const LinearLayer& layer : layers) {
    if (layer.layer == name) return &layer;
    if (!ends_with_part(layer.layer, name)) continue;
    if (found != nullptr) return nullptr;
    found = &layer;
  }
  return found;
}

// The alpha of a layer, chosen as PEFT chooses it.
double alpha_of(const LoraSettings& settings, const std::string& layer) {
  for (const auto& [pattern, alpha] : settings.alphas) {
    if (ends_with_part(layer, pattern)) return alpha;
    try {
      if (std::regex_match(layer, std::regex("(.*\\.)?(" + pattern + ")"))) return alpha;
    } catch (const std::regex_error& error) {
      refuse_lora(fmt::format("alpha_pattern '{}' is neither a name nor a regular expression: {}",
                              printable(pattern, 200), error.what()));
    }
  }
  return settings.alpha;
}

class Inserter {
public:
  Inserter(Model& model, const LoraSettings& settings)
      : model_(model), graph_(model.graph), settings_(settings) {}

  void insert(const LinearLayer& layer, const LayerTensors& tensors) {
    const Node node = graph_.node(layer.node);
    const std::string name = graph_.value(node.outputs[0]).name;
    const ValueId a = parameter(layer.layer, part_a, *tensors.a);
    const ValueId b = parameter(layer.layer, part_b, *tensors.b);
    const ValueId base = given_out(graph_, node.outputs[0]);
    const Options scale{{"alpha", alpha_of(settings_, layer.layer)},
                        {"rank_stabilized", settings_.rank_stabilized}};
    Options attributes = scale;
    attributes.set("adapter", settings_.name);
    ValueId made = graph_.apply("lora", {base, read_by_path(node), a, b}, attributes,
                                name + "." + settings_.name);
    const NodeId path = graph_.value(made).producer;
    if (settings_.magnitude) {
      const ValueId m = parameter(layer.layer, part_magnitude, *tensors.magnitude);
      const ValueId norm = graph_.apply("adapted_norm", {node.inputs[1], a, b}, scale);
      std::vector<ValueId> inputs{made, graph_.apply("div", {m, norm})};
      if (node.inputs.size() > 2) inputs.push_back(node.inputs[2]);
      made = graph_.apply("rescale", inputs, {}, name + "." + settings_.name + ".rescaled");
    }
    graph_.replace_uses(base, made);
    graph_.node(path).inputs[0] = base;
  }

private:
  ValueId parameter(const std::string& layer, const char* part, const Tensor& tensor) {
    const std::string name = in_graph(layer, part, settings_.name);
    model_.tensors.set(name, tensor);
    return graph_.parameter(name, type_of(tensor));
  }

  ValueId read_by_path(const Node& node) {
    const ValueId x = before_rounding(graph_, node.inputs[0]);
    if (settings_.dropout == 0) return x;
    ValueId rng = graph_.find("rng");
    if (rng == none) rng = graph_.input("rng", {DType::u32, {3}});
    return graph_.apply("dropout", {x, rng},
                        {{"p", settings_.dropout}, {"stream", next_dropout_stream(graph_)}});
  }

  Model& model_;
  Graph& graph_;
  const LoraSettings& settings_;
};

// Every difference between an adapter and the model it is put on, by names and shapes.
std::vector<std::string> misfits(const std::vector<LinearLayer>& layers,
                                 const std::map<std::string, LayerTensors>& adapter,
                                 bool magnitude) {
  std::vector<std::string> list;
  for (const auto& [name, tensors] : adapter) {
    const LinearLayer* layer = find_layer(layers, name);
    if (layer == nullptr) {
      list.push_back(fmt::format("{}: the model has no such linear layer", printable(name, 200)));
      continue;
    }
    const std::int64_t rank =
        tensors.a != nullptr && tensors.a->shape().size() == 2 ? tensors.a->shape()[0] : 0;
    const bool fits = rank > 0 && tensors.b != nullptr &&
                      tensors.a->shape() == Shape{rank, layer->inputs} &&
                      tensors.b->shape() == Shape{layer->outputs, rank} &&
                      (tensors.magnitude != nullptr) == magnitude &&
                      (!magnitude || tensors.magnitude->shape() == Shape{layer->outputs});
    if (!fits)
      list.push_back(fmt::format("{}: lora_A {}, lora_B {}{}; the layer is [{},{}]", name,
                                 describe(tensors.a), describe(tensors.b),
                                 magnitude || tensors.magnitude != nullptr
                                     ? ", lora_magnitude_vector " + describe(tensors.magnitude)
                                     : "",
                                 layer->outputs, layer->inputs));
  }
  return list;
}

// Trains a layer beside the adapter, from its tensors in the files where those have some.
void train_layer(Model& model, const std::string& end, const TensorStore& tensors,
                 const std::vector<std::string>& others, std::set<std::string>& taken) {
  for (std::size_t v = 0; v < model.graph.values.size(); ++v) {
    Value& value = model.graph.values[v];
    if (!is_weight(model.graph, static_cast<ValueId>(v)) ||
        !ends_with_part(layer_name(value.name), end))
      continue;
    if (value.kind != ValueKind::parameter)
      refuse_lora(fmt::format("{} is packed: it cannot be trained", value.name),
                  "leave it out, or unpack the model: hone quantize MODEL --dequantize --out DIR");
    value.frozen = false;
    for (const std::string& name : others) {
      if (name != value.name && !ends_with_part(value.name, name)) continue;
      const Tensor& tensor = tensors.at(name);
      if (tensor.shape() != evaluate(value.type, {}))
        refuse_lora(fmt::format("the adapter's {} is {}, the model's {}", name,
                                to_string(tensor.shape()), to_string(evaluate(value.type, {}))),
                    "the adapter belongs to another base, or to other labels");
      model.tensors.set(value.name, tensor.clone());
      taken.insert(name);
    }
  }
}

// The numbers of m / |w + factor b a| as float64.
std::vector<double> ratios(const Model& model, const Node& rescaling) {
  const Graph& graph = model.graph;
  const Node& quotient = *graph.producer(rescaling.inputs[1]);
  const Node& norm = *graph.producer(quotient.inputs[1]);
  const auto tensor = [&](ValueId id) { return &model.tensors.at(graph.value(id).name); };
  const Tensor weight = effective_weight(model, norm.inputs[0]);
  const Tensor lengths =
      evaluate_reference(find_op(norm.op),
                         {&weight, tensor(norm.inputs[1]), tensor(norm.inputs[2])}, norm.attributes)
          .front();
  std::vector<double> list;
  for (std::int64_t i = 0; i < lengths.size(); ++i)
    list.push_back(static_cast<double>(tensor(quotient.inputs[0])->as<float>()[i]) /
                   lengths.as<float>()[i]);
  return list;
}

// The weight of one layer with all of its adapters in it.
Tensor merged_weight(const Model& model, const Node& base, const std::vector<const Node*>& paths) {
  const Graph& graph = model.graph;
  const Tensor weight = effective_weight(model, base.inputs[1]);
  const std::int64_t inputs = weight.shape()[1];
  std::vector<double> sum(weight.span<float>().begin(), weight.span<float>().end());
  for (const Node* path : paths) {
    const Tensor& a = model.tensors.at(graph.value(path->inputs[2]).name);
    const Tensor& b = model.tensors.at(graph.value(path->inputs[3]).name);
    const std::int64_t rank = a.shape()[0];
    const double factor = lora_factor(path->attributes, rank);
    for (std::int64_t i = 0; i < weight.size(); ++i) {
      double product = 0;
      for (std::int64_t j = 0; j < rank; ++j)
        product += static_cast<double>(b.as<float>()[i / inputs * rank + j]) *
                   a.as<float>()[j * inputs + i % inputs];
      sum[static_cast<std::size_t>(i)] += factor * product;
    }
    if (const Node* rescaling = rescaling_of(graph, *path)) {
      const std::vector<double> ratio = ratios(model, *rescaling);
      for (std::int64_t i = 0; i < weight.size(); ++i)
        sum[static_cast<std::size_t>(i)] *= ratio[static_cast<std::size_t>(i / inputs)];
    }
  }
  Tensor merged(DType::f32, weight.shape());
  std::transform(sum.begin(), sum.end(), merged.as<float>(),
                 [](double value) { return static_cast<float>(value); });
  return merged;
}

// Ends of names that mean these layers and no other linear layer, as PEFT matches target_modules.
std::string targets_of(const Graph& graph, const std::vector<AdaptedLayer>& adapted) {
  std::set<std::string> own;
  for (const AdaptedLayer& layer : adapted) own.insert(layer.layer);
  std::vector<std::string> names;
  for (const AdaptedLayer& layer : adapted) {
    const std::string end = last_part(layer.layer);
    bool exact = true;
    for (const LinearLayer& other : linear_layers(graph))
      exact = exact && (own.count(other.layer) != 0 || !ends_with_part(other.layer, end));
    const std::string& name = exact ? end : layer.layer;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return fmt::format("{}", fmt::join(names, ","));
}

}  // namespace

void follow_bases(Graph& graph) {
  for (const Node& node : std::vector<Node>(graph.nodes)) {
    if (node.op != "lora") continue;
    const Node* rescaling = rescaling_of(graph, node);
    if (rescaling == nullptr) continue;
    const Node& base = base_of(graph, node);
    const NodeId quotient = graph.value(rescaling->inputs[1]).producer;
    const NodeId norm = graph.value(graph.node(quotient).inputs[1]).producer;
    graph.node(norm).inputs[0] = base.inputs[1];
    if (base.inputs.size() > 2)
      graph.node(graph.value(rescaling->outputs[0]).producer).inputs[2] = base.inputs[2];
  }
}

bool has_adapters(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const Node& node) { return node.op == "lora"; });
}

std::vector<Adapter> adapters_of(const Graph& graph) {
  std::vector<Adapter> adapters;
  std::set<std::string> of_adapters;
  for (const Node& node : graph.nodes) {
    if (node.op != "lora") continue;
    const std::string& name = node.attributes.text("adapter");
    auto found = std::find_if(adapters.begin(), adapters.end(),
                              [&](const Adapter& known) { return known.settings.name == name; });
    if (found == adapters.end()) {
      Adapter fresh;
      fresh.settings = {.name = name, .rank = 0, .alpha = node.attributes.real("alpha")};
      fresh.settings.rank_stabilized = node.attributes.boolean("rank_stabilized");
      found = adapters.insert(adapters.end(), fresh);
    }
    const Node& base = base_of(graph, node);
    const std::int64_t rank = graph.type(node.inputs[2]).dims[0].offset;
    const AdaptedLayer& layer = found->layers.emplace_back(AdaptedLayer{
        graph.value(base.outputs[0]).name, layer_name(graph.value(linear_weight(graph, base)).name),
        rank, node.attributes.real("alpha")});
    if (layer.alpha != found->settings.alpha)
      found->settings.alphas.emplace_back(layer.layer, layer.alpha);
    found->settings.rank = std::max(found->settings.rank, rank);
    const Node* read = graph.producer(node.inputs[1], "dropout");
    // (Where the base reads it too, it is the model's own.)
    if (read != nullptr && before_rounding(graph, base.inputs[0]) != node.inputs[1])
      found->settings.dropout = read->attributes.real("p");
    found->is_trained = found->is_trained || graph.value(node.inputs[2]).is_trained();
    of_adapters.insert(graph.value(node.inputs[2]).name);
    of_adapters.insert(graph.value(node.inputs[3]).name);
    if (const Node* rescaling = rescaling_of(graph, node)) {
      found->settings.magnitude = true;
      of_adapters.insert(graph.value(magnitude_of(graph, *rescaling)).name);
    }
  }
  for (Adapter& adapter : adapters) {
    adapter.settings.targets = targets_of(graph, adapter.layers);
    if (!adapter.is_trained) continue;
    for (const Value& value : graph.values) {
      const std::string layer = layer_name(value.name);
      std::vector<std::string>& trained = adapter.settings.trained;
      if (value.is_trained() && of_adapters.count(value.name) == 0 &&
          std::find(trained.begin(), trained.end(), layer) == trained.end())
        trained.push_back(layer);
    }
  }
  return adapters;
}

void check_adapter(const Graph& graph, const LoraSettings& settings) {
  check_settings(settings);
  for (const LinearLayer& layer : target_layers(graph, settings.targets))
    check_rank(layer, settings.rank);
}

TensorStore fresh_adapter(const Model& model, const LoraSettings& settings, std::uint64_t seed) {
  check_adapter(model.graph, settings);
  TensorStore tensors;
  for (const LinearLayer& layer : target_layers(model.graph, settings.targets)) {
    Tensor a(DType::f32, {settings.rank, layer.inputs});
    // Kaiming's uniform with a = sqrt(5): within 1 / sqrt(inputs).
    const std::string name = in_file(layer.layer, part_a);
    RandomStream random(seed, stream_of(in_graph(layer.layer, part_a, settings.name)));
    const double bound = 1 / std::sqrt(static_cast<double>(layer.inputs));
    for (float& value : a.span<float>())
      value = static_cast<float>((2 * random.uniform() - 1) * bound);
    tensors.set(name, a);
    tensors.set(in_file(layer.layer, part_b), Tensor(DType::f32, {layer.outputs, settings.rank}));
    if (!settings.magnitude) continue;
    const Node& node = model.graph.node(layer.node);
    const Tensor weight = effective_weight(model, node.inputs[1]);
    Tensor lengths(DType::f32, {layer.outputs});
    for (std::int64_t r = 0; r < layer.outputs; ++r) {
      double sum = 0;
      for (std::int64_t i = 0; i < layer.inputs; ++i) {
        const double number = weight.as<float>()[r * layer.inputs + i];
        sum += number * number;
      }
      lengths.as<float>()[r] = static_cast<float>(std::sqrt(sum));
    }
    tensors.set(in_file(layer.layer, part_magnitude), lengths);
  }
  return tensors;
}

void add_adapter(Model& model, const LoraSettings& settings, const TensorStore& tensors) {
  check_settings(settings);
  Model changed = model;  // shares the numbers
  Graph& graph = changed.graph;
  take_out(graph, settings.name);
  std::vector<std::string> others;
  const std::map<std::string, LayerTensors> adapter = by_layer(tensors, others);
  if (adapter.empty()) refuse_lora("the adapter has no layers", "it is empty, or of another kind");
  const std::vector<LinearLayer> layers = linear_layers(graph);
  if (const auto wrong = misfits(layers, adapter, settings.magnitude); !wrong.empty())
    refuse_lora(
        fmt::format(
            "the adapter does not fit the model:\n  {}{}",
            fmt::join(wrong.begin(), wrong.begin() + std::min<std::ptrdiff_t>(std::ssize(wrong), 8),
                      "\n  "),
            wrong.size() > 8 ? fmt::format("\n  and {} more", wrong.size() - 8) : ""),
        "it belongs to another base");
  std::map<NodeId, std::string> insertions;
  for (const auto& [name, parts] : adapter) {
    const LinearLayer* layer = find_layer(layers, name);
    check_rank(*layer, parts.a->shape()[0]);
    for (const std::string& end : settings.trained)
      if (ends_with_part(layer->layer, end))
        refuse_lora(fmt::format("{} would be adapted and trained as it is", layer->layer),
                    "leave it out of the targets, or of what is trained");
    for (const Node& node : graph.nodes)
      if (node.op == "lora" && base_of(graph, node).outputs == graph.node(layer->node).outputs &&
          (settings.magnitude || rescaling_of(graph, node) != nullptr))
        refuse_lora(
            fmt::format("{} has the adapter '{}': DoRA rescales a layer and stands alone on it",
                        layer->layer, node.attributes.text("adapter")),
            "merge it first: hone merge MODEL --out DIR");
    insertions[layer->node] = name;
  }
  for (Value& value : graph.values)
    if (value.kind == ValueKind::parameter) value.frozen = true;
  Inserter inserter(changed, settings);
  // (Nodes keep their numbers until all are in.)
  for (const auto& [node, name] : insertions) {
    const auto layer = std::find_if(layers.begin(), layers.end(),
                                    [&, at = node](const auto& one) { return one.node == at; });
    inserter.insert(*layer, adapter.at(name));
  }
  std::set<std::string> taken;
  for (const std::string& end : settings.trained) train_layer(changed, end, tensors, others, taken);
  for (const std::string& name : others)
    if (taken.count(name) == 0)
      refuse_lora(fmt::format("the adapter's tensor '{}' ({}) has no place in the model",
                              printable(name, 200), to_string(tensors.at(name).shape())),
                  "it belongs to another base, or to another kind of adapter");
  graph.sort();
  graph.remove_dead();
  keep_named_tensors(changed);
  model = std::move(changed);
}

TensorStore adapter_tensors(const Graph& graph, const TensorStore& tensors,
                            const Adapter& adapter) {
  TensorStore made;
  for (const AdaptedLayer& layer : adapter.layers)
    for (const char* part : {part_a, part_b, part_magnitude}) {
      const std::string name = in_graph(layer.layer, part, adapter.settings.name);
      if (graph.find(name) != none) made.set(in_file(layer.layer, part), tensors.at(name));
    }
  for (const std::string& trained : adapter.settings.trained)
    for (const Value& value : graph.values)
      if (value.kind == ValueKind::parameter && layer_name(value.name) == trained)
        made.set(value.name, tensors.at(value.name));
  return made;
}

void merge_adapters(Model& model, const MergeSettings& settings) {
  if (!has_adapters(model.graph))
    throw Error(ErrorCode::invalid_argument, model.name + ": has no adapter to merge",
                "hone train MODEL --lora rank=8 --data DATA --out DIR makes one");
  if (settings.dense && settings.keep_masks)
    throw Error(ErrorCode::invalid_argument,
                model.name + ": dense lets the masks go, keep-masks keeps them", "give one");
  Model changed = model;
  const auto refuse_unused = [&](const char* what, const char* why) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: {} changes nothing: {}", model.name, what, why), "leave it out");
  };
  const auto nodes = formats_of(changed.graph).size();
  if (nodes == 0 && settings.dequantize) refuse_unused("dequantize", "the base is float32");
  if (nodes > 0 && !settings.dequantize)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("{}: {} nodes take number formats, {}: what an adapter adds has no bits "
                    "there",
                    model.name, nodes,
                    is_packed(model.graph) ? "the base is packed" : "the base is rounded"),
        "give --dequantize: the merged model is float32, and may be quantized again");
  set_formats(changed, {});
  Graph& graph = changed.graph;
  std::map<std::string, std::vector<const Node*>> paths;  // by linear node
  for (const Node& node : graph.nodes)
    if (node.op == "lora")
      paths[graph.value(base_of(graph, node).outputs[0]).name].push_back(&node);
  std::map<std::string, Tensor> merged;
  bool any_mask = false;
  for (const auto& [name, list] : paths) {
    const Node& base = graph.node(graph.find_node(name));
    const ValueId weight = linear_weight(graph, base);
    any_mask = any_mask || base.inputs[1] != weight;
    if (base.inputs[1] != weight && !settings.dense && !settings.keep_masks)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: {} is pruned: merging fills its zeros", model.name,
                              graph.value(weight).name),
                  "give --dense to let them go, or --keep-masks to drop what the adapter adds "
                  "behind them");
    merged[graph.value(weight).name] = merged_weight(changed, base, list);
  }
  if (settings.dense && !any_mask) refuse_unused("dense", "no merged layer is pruned");
  if (settings.keep_masks && !any_mask) refuse_unused("keep-masks", "no merged layer is pruned");
  if (!settings.keep_masks)
    for (const auto& [name, list] : paths) {
      Node& base = graph.node(graph.find_node(name));
      base.inputs[1] = linear_weight(graph, base);
    }
  for (const Adapter& adapter : adapters_of(graph)) take_out(graph, adapter.settings.name);
  for (Value& value : graph.values) value.frozen = false;
  for (auto& [name, tensor] : merged) changed.tensors.set(name, tensor);
  graph.sort();
  graph.remove_dead();
  keep_named_tensors(changed);
  zero_masked(changed);
  changed.history.emplace_back("merge adapters");
  model = std::move(changed);
}

}  // namespace hone
